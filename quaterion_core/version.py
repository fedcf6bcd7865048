"""The version of quaterion-core."""

__version__ = "0.2.0"
