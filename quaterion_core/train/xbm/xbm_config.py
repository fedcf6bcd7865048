"""Settings of the cross-batch memory."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from quaterion_core.components import CheckedArguments


class XbmDevice(str, Enum):
    """Device of the memory; ``AUTO`` is the device of the embeddings."""

    CPU = "cpu"
    CUDA = "cuda"
    AUTO = "auto"


@dataclass
class XbmConfig(CheckedArguments):
    """Cross-batch memory: embeddings of past batches that a loss compares a batch with.

    Source: Wang et al., Cross-Batch Memory for Embedding Learning, CVPR 2020.

    Args:
        weight: Weight of the loss against the memory, relative to the loss of the batch.
        buffer_size: Number of embeddings to store; for a pairwise loss the number of pairs. If
            pairs have no subgroup, store fewer pairs than there are training samples, so that no
            pair is compared with its own copy of the previous epoch.
        start_iteration: Number of steps before the memory is used, since early embeddings drift
            too fast.
        device: Device of the memory.

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
                "Expected a positive buffer_size and a non-negative start_iteration of XbmConfig, "
                f"got {self.buffer_size} and {self.start_iteration}."
            )
        if not self.weight >= 0:
            raise ValueError(f"Expected weight of XbmConfig to be 0 or more, got {self.weight}.")
