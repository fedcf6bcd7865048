"""The cross-batch memory of pairs: the latest pairs with all their targets."""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from torch import Tensor, nn

from quaterion_core.train.xbm.xbm_config import XbmConfig
from quaterion_core.train.xbm.xbm_rows import XbmRows
from quaterion_core.types import Targets

_EMBEDDINGS: Final = "embeddings"
_LABELS: Final = "labels"
_SUBGROUPS: Final = "subgroups"


class XbmPairBuffer(nn.Module):
    """The latest pairs. It is part of checkpoints.

    Args:
        config: Size, in pairs, and device of the memory.
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
        self._embedding_size = embedding_size
        self._rows = XbmRows(config)

    @property
    def is_full(self) -> bool:
        """Whether the memory is full."""
        return self._rows.is_full

    def recall(self, embeddings: Tensor) -> tuple[Tensor, Targets]:
        """Return copies of the stored pairs, for a batch of these embeddings.

        Returns:
            Stored embeddings (2M, D) in the batch's type, and their ``pairs`` (M, 2), ``labels``
            (M,), ``subgroups`` (2M,) and further targets of the objects (2M, ...), in the types in
            which they were stored; all on the batch's device.
        """
        device = embeddings.device
        fields = {n: values.to(device, copy=True) for n, values in self._rows.read().items()}
        labels = fields.pop(_LABELS, torch.zeros(0, device=device))
        first = torch.arange(len(labels), device=device)
        targets = {
            "pairs": torch.stack((first, first + len(first)), dim=1),
            _LABELS: labels,
            **{name: torch.cat(values.unbind(dim=1)) for name, values in fields.items()},
        }
        targets.setdefault(_SUBGROUPS, torch.zeros(0, dtype=torch.int64, device=device))
        remembered = targets.pop(_EMBEDDINGS, embeddings.new_zeros(0, self._embedding_size))
        return remembered.to(embeddings.dtype), targets

    def remember(self, embeddings: Tensor, targets: Targets) -> None:
        """Store a batch.

        Args:
            embeddings: Shape (N, D).
            targets: ``pairs`` (B, 2), ``labels`` (B,), ``subgroups`` (N,), and further targets of
                the objects, shape (N, ...).
        """
        objects = {_EMBEDDINGS: embeddings, **targets}
        pairs, labels = objects.pop("pairs"), objects.pop(_LABELS)
        self._rows.push(
            {_LABELS: labels, **{name: values[pairs] for name, values in objects.items()}}
        )

    def get_extra_state(self) -> dict[str, Any]:
        """Return an empty state, which keeps the key of earlier checkpoints; rows hold the data."""
        return {}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Ignore the state: the rows hold the data."""

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Unpack the rows of an earlier version, which held all fields in one type."""
        name, shapes = f"{prefix}_rows._extra_state", f"{prefix}_extra_state"
        if "fields" not in state_dict.get(name, {"fields": {}}):
            state_dict[name] = _unpacked(state_dict[name], state_dict[shapes]["shapes"])
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _unpacked(rows: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """Return the state of rows whose embeddings, labels and other fields are in one matrix."""
    widths = [2 * math.prod(shape) for shape in shapes.values()]
    *columns, labels = torch.split(rows["embeddings"], [*widths, 1], dim=1)
    objects = {
        name: column.reshape(-1, 2, *shape)
        for (name, shape), column in zip(shapes.items(), columns, strict=True)
    }
    subgroups = rows["targets"].unsqueeze(1).repeat(1, 2)
    fields = {_LABELS: labels.squeeze(1), _SUBGROUPS: subgroups, **objects}
    return {"fields": fields, "seen": rows["seen"]}
