"""Export of models to formats that need neither torch nor Quaterion."""
