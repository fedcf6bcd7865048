"""Old module paths of encoders that plugins bring now."""
