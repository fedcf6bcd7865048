"""The cross-batch memory of pairs: a ring of the latest ones."""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from torch import Tensor, nn

from quaterion_core.train.xbm.xbm_buffer import XbmBuffer
from quaterion_core.train.xbm.xbm_config import XbmConfig
from quaterion_core.types import Targets

_EMBEDDINGS: Final = "embeddings"


class XbmPairBuffer(nn.Module):
    """Remembers the latest pairs. It is part of checkpoints, position and fullness too.

    Args:
        config: Size, in pairs, and place of the memory.
        embedding_size: Size D of an embedding.

    Example:
        >>> buffer = XbmPairBuffer(XbmConfig(buffer_size=3), embedding_size=1)
        >>> embeddings = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
        >>> buffer.remember(embeddings, {
        ...     "pairs": torch.tensor([[0, 2], [1, 3]]),
        ...     "labels": torch.tensor([1.0, 0.0]),
        ...     "subgroups": torch.tensor([7, 8, 7, 8]),
        ... })
        >>> remembered, targets = buffer.recall(embeddings)
        >>> remembered.flatten().tolist(), targets["pairs"].tolist(), targets["labels"].tolist()
        ([1.0, 2.0, 3.0, 4.0], [[0, 2], [1, 3]], [1.0, 0.0])
    """

    def __init__(self, config: XbmConfig, embedding_size: int):
        super().__init__()
        self._shapes: dict[str, tuple[int, ...]] = {_EMBEDDINGS: (embedding_size,)}
        self._rows = XbmBuffer(config, 2 * embedding_size + 1)
        self._ids = XbmBuffer(config, 0)

    @property
    def is_full(self) -> bool:
        """Whether every place is taken."""
        return self._rows.is_full

    def recall(self, embeddings: Tensor) -> tuple[Tensor, Targets]:
        """Return copies of the remembered pairs, for a batch of these embeddings.

        Returns:
            Remembered embeddings (2M, D) of the batch's type, and their ``pairs`` (M, 2),
            ``labels`` (M,), ``subgroups`` (2M,), ``objects`` (2M,) if the batches had them, and
            what else was stated of the objects (2M, ...), all where the batch is.
        """
        rows, targets = self._rows.recall(embeddings)
        ids = self._ids.get()[0].to(embeddings.device, copy=True)
        widths = [2 * math.prod(shape) for shape in self._shapes.values()]
        *columns, labels = torch.split(rows, [*widths, 1], dim=1)
        objects = {
            name: torch.cat(column.reshape(-1, 2, *shape).unbind(dim=1))
            for (name, shape), column in zip(self._shapes.items(), columns, strict=True)
        }
        first = torch.arange(len(labels), device=embeddings.device)
        return objects.pop(_EMBEDDINGS), {
            "pairs": torch.stack((first, first + len(first)), dim=1),
            "labels": labels.squeeze(1),
            "subgroups": targets["groups"].repeat(2),
            **({"objects": ids.T.flatten()} if ids.shape[1] else {}),
            **objects,
        }

    def remember(self, embeddings: Tensor, targets: Targets) -> None:
        """Remember a batch.

        Args:
            embeddings: Shape (N, D).
            targets: ``pairs`` (B, 2), ``labels`` (B,), ``subgroups`` (N,), perhaps ``objects``
                (N,), and whatever else is stated of the objects, shape (N, ...), as numbers that
                the embeddings' type holds.
        """
        others = dict(targets)
        pairs, labels, subgroups = (others.pop(n) for n in ("pairs", "labels", "subgroups"))
        ids = others.pop("objects", subgroups.new_empty(len(subgroups), 0))
        self._ids.queue(ids[pairs].flatten(1), subgroups[pairs[:, 0]])
        objects = {_EMBEDDINGS: embeddings.detach(), **others}
        self._shapes = {name: tuple(values.shape[1:]) for name, values in objects.items()}
        columns = [values[pairs].flatten(1).to(embeddings.dtype) for values in objects.values()]
        rows = torch.cat([*columns, labels.to(embeddings.dtype).unsqueeze(1)], dim=1)
        self._rows.queue(rows, subgroups[pairs[:, 0]])

    def get_extra_state(self) -> dict[str, Any]:
        """Return what a checkpoint holds of the layout of the memory."""
        return {"shapes": self._shapes}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take over what a checkpoint holds of the layout of the memory."""
        self._shapes = {name: tuple(shape) for name, shape in state["shapes"].items()}
