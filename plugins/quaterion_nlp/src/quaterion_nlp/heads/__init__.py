"""Heads for texts."""

from quaterion_nlp.heads.normalized_projection_head import NormalizedProjectionHead

__all__ = [
    "NormalizedProjectionHead",
]
