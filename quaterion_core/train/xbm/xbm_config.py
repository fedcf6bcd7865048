"""Settings of the cross-batch memory."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from quaterion_core.components import CheckedArguments


class XbmDevice(str, Enum):
    """Where the memory lies: ``AUTO`` is where the embeddings are."""

    CPU = "cpu"
    CUDA = "cuda"
    AUTO = "auto"


@dataclass
class XbmConfig(CheckedArguments):
    """A memory of embeddings of past batches, which a loss compares a batch with.

    Source: Wang et al., Cross-Batch Memory for Embedding Learning, CVPR 2020.

    Args:
        weight: Weight of the loss against the memory, beside the loss of the batch.
        buffer_size: Number of embeddings to remember; for a pairwise loss the number of pairs.
            Where pairs state no subgroup, remember fewer of them than there are training samples,
            so that no pair meets itself of the epoch before.
        start_iteration: Number of steps after which the memory takes part; early embeddings
            drift too fast.
        device: Where the memory lies.

    Raises:
        ValueError: ``buffer_size`` is not positive or ``start_iteration`` is negative.
    """

    weight: float = 1.0
    buffer_size: int = 10000
    start_iteration: int = 1000
    device: XbmDevice | str = XbmDevice.AUTO

    def __post_init__(self) -> None:
        self.device = XbmDevice(self.device)
        if self.buffer_size < 1 or self.start_iteration < 0:
            raise ValueError(
                "A cross-batch memory needs a positive buffer_size and a start_iteration that is "
                f"not negative, but got {self.buffer_size} and {self.start_iteration}."
            )
