"""Embedding of many objects: in blocks, as values of several types, to memory or to a file."""

from quaterion_core.encoding.calibration import Int8Calibration
from quaterion_core.encoding.encoded_file import EncodedFile, Shard
from quaterion_core.encoding.skipped import Skipped, SkippedWarning
from quaterion_core.encoding.values import DTYPES

__all__ = ["DTYPES", "EncodedFile", "Int8Calibration", "Shard", "Skipped", "SkippedWarning"]
