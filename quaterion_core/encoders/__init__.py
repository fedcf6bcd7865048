"""Encoders, which turn raw objects into embeddings."""

from quaterion_core.encoders.encoder import Encoder
from quaterion_core.encoders.switch_encoder import SwitchEncoder
from quaterion_core.encoders.text_and_image_encoder import TextAndImageEncoder

__all__ = ["Encoder", "SwitchEncoder", "TextAndImageEncoder"]
