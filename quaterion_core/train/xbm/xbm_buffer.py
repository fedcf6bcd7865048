"""The cross-batch memory: a ring of the latest embeddings and their groups."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from quaterion_core.train.xbm.xbm_config import XbmConfig, XbmDevice
from quaterion_core.types import Targets


class XbmBuffer(nn.Module):
    """Remembers the latest embeddings. It is part of checkpoints, position and fullness too.

    Args:
        config: Size and place of the memory.
        embedding_size: Size D of an embedding.

    Example:
        >>> buffer = XbmBuffer(XbmConfig(buffer_size=3), embedding_size=1)
        >>> buffer.queue(torch.tensor([[1.0], [2.0]]), torch.tensor([10, 20]))
        >>> buffer.queue(torch.tensor([[3.0], [4.0]]), torch.tensor([30, 40]))
        >>> sorted(buffer.get()[1].tolist()), buffer.is_full
        ([20, 30, 40], True)
    """

    def __init__(self, config: XbmConfig, embedding_size: int):
        super().__init__()
        self._device = XbmDevice(config.device)
        self._embeddings = torch.zeros(config.buffer_size, embedding_size)
        self._targets = torch.zeros(config.buffer_size, dtype=torch.int64)
        self._seen = 0

    @property
    def is_full(self) -> bool:
        """Whether every place is taken."""
        return self._seen >= len(self._targets)

    def get(self) -> tuple[Tensor, Tensor]:
        """Return the remembered embeddings (M, D) and their groups (M,), in no certain order."""
        count = min(self._seen, len(self._targets))
        return self._embeddings[:count], self._targets[:count]

    def queue(self, embeddings: Tensor, targets: Tensor) -> None:
        """Remember the embeddings (N, D) and groups (N,) of a batch in place of the oldest."""
        size = len(self._targets)
        device = embeddings.device if self._device == XbmDevice.AUTO else self._device.value
        if not self._seen:  # memory of its own, where processes that are spawned share theirs
            self._embeddings = self._embeddings.new_zeros(size, embeddings.shape[1])
            self._targets = torch.zeros_like(self._targets)
        self._embeddings = self._embeddings.to(device, embeddings.dtype)
        self._targets = self._targets.to(device)
        latest = embeddings.detach()[-size:].to(device)
        skipped = len(embeddings) - len(latest)
        places = (torch.arange(len(latest), device=device) + self._seen + skipped) % size
        self._embeddings[places] = latest
        self._targets[places] = targets[-size:].to(device)
        self._seen += len(embeddings)

    def recall(self, embeddings: Tensor) -> tuple[Tensor, Targets]:
        """Return copies of what is remembered, for a batch of these embeddings.

        Returns:
            Remembered embeddings (M, D) of the batch's type, and their ``groups`` (M,), both where
            the batch is.
        """
        remembered, groups = self.get()
        return (
            remembered.to(embeddings.device, embeddings.dtype, copy=True),
            {"groups": groups.to(embeddings.device, copy=True)},
        )

    def remember(self, embeddings: Tensor, targets: Targets) -> None:
        """Remember a batch: embeddings (N, D) and their ``groups`` (N,)."""
        self.queue(embeddings, targets["groups"])

    def get_extra_state(self) -> dict[str, Any]:
        """Return what a checkpoint holds of the memory."""
        return {"embeddings": self._embeddings, "targets": self._targets, "seen": self._seen}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take over what a checkpoint holds of the memory."""
        self._embeddings, self._targets = state["embeddings"], state["targets"]
        self._seen = state["seen"]
