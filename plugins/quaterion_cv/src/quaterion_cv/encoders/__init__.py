"""Encoders of images."""

from quaterion_cv.encoders.image_collator import ImageCollator
from quaterion_cv.encoders.timm_encoder import TimmEncoder

__all__ = ["ImageCollator", "TimmEncoder"]
