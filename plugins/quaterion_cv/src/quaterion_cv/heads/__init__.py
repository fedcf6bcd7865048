"""Heads for images."""

from quaterion_cv.heads.bn_neck_head import BNNeckHead

__all__ = [
    "BNNeckHead",
]
