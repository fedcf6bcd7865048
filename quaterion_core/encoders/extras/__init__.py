"""Old module paths of encoders that plugins provide now."""
