"""Reading of exported models, with NumPy alone: neither torch nor quaterion-core is imported."""
