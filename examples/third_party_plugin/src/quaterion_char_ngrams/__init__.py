"""A character n-gram encoder for Quaterion, as an example of a third-party plugin."""
