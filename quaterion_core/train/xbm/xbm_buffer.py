"""The cross-batch memory of groups: the latest embeddings and their groups."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

from quaterion_core.train.xbm.xbm_config import XbmConfig
from quaterion_core.train.xbm.xbm_rows import XbmRows
from quaterion_core.types import Targets

_EMBEDDINGS: Final = "embeddings"
_TARGETS: Final = "targets"


class XbmBuffer(XbmRows):
    """The latest embeddings and their groups. It is part of checkpoints.

    Args:
        config: Size and device of the memory.
        embedding_size: Size D of an embedding.

    Example:
        >>> buffer = XbmBuffer(XbmConfig(buffer_size=3), embedding_size=1)
        >>> buffer.queue(torch.tensor([[1.0], [2.0]]), torch.tensor([10, 20]))
        >>> buffer.queue(torch.tensor([[3.0], [4.0]]), torch.tensor([30, 40]))
        >>> sorted(buffer.get()[1].tolist()), buffer.is_full
        ([20, 30, 40], True)
    """

    def __init__(self, config: XbmConfig, embedding_size: int):
        super().__init__(config)
        self._embedding_size = embedding_size

    def get(self) -> tuple[Tensor, Tensor]:
        """Return the stored embeddings (M, D) and groups (M,), in no particular order."""
        fields = self.read()
        if not fields:
            return torch.zeros(0, self._embedding_size), torch.zeros(0, dtype=torch.int64)
        return fields[_EMBEDDINGS], fields[_TARGETS]

    def queue(self, embeddings: Tensor, targets: Tensor) -> None:
        """Store the embeddings (N, D) and groups (N,) of a batch, replacing the oldest."""
        self.push({_EMBEDDINGS: embeddings, _TARGETS: targets})

    def recall(self, embeddings: Tensor) -> tuple[Tensor, Targets]:
        """Return copies of the stored embeddings and groups, for a batch of these embeddings.

        Returns:
            Stored embeddings (M, D) in the batch's type, and their ``groups`` (M,), both on the
            batch's device.
        """
        remembered, groups = self.get()
        return (
            remembered.to(embeddings.device, embeddings.dtype, copy=True),
            {"groups": groups.to(embeddings.device, copy=True)},
        )

    def remember(self, embeddings: Tensor, targets: Targets) -> None:
        """Store a batch: embeddings (N, D) and their ``groups`` (N,)."""
        self.queue(embeddings, targets["groups"])

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore the memory from a checkpoint, also of earlier versions."""
        if _EMBEDDINGS in state:
            fields = {name: state[name] for name in (_EMBEDDINGS, _TARGETS)}
            state = {"fields": fields, "seen": state["seen"]}
        super().set_extra_state(state)
