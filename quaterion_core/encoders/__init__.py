"""Encoders: what turns raw objects into embeddings."""

from quaterion_core.encoders.encoder import Encoder
from quaterion_core.encoders.switch_encoder import SwitchEncoder

__all__ = ["Encoder", "SwitchEncoder"]
