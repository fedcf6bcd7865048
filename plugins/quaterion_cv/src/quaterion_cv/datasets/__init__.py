"""Datasets of images."""

from quaterion_cv.datasets.digits import Digits

__all__ = ["Digits"]
