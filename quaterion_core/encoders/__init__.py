"""Encoders, which turn raw objects into embeddings."""

from quaterion_core.encoders.encoder import Encoder
from quaterion_core.encoders.export_form import ExportForm, ImageInputs, TextInputs
from quaterion_core.encoders.openai_compatible_encoder import OpenAICompatibleEncoder
from quaterion_core.encoders.precomputed_encoder import PrecomputedEncoder
from quaterion_core.encoders.switch_encoder import SwitchEncoder
from quaterion_core.encoders.text_and_image_encoder import TextAndImageEncoder

__all__ = [
    "Encoder",
    "ExportForm",
    "ImageInputs",
    "OpenAICompatibleEncoder",
    "PrecomputedEncoder",
    "SwitchEncoder",
    "TextAndImageEncoder",
    "TextInputs",
]
