"""Ring buffer of the latest rows of a training run, each field in its own type."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from quaterion_core.train.xbm.xbm_config import XbmConfig, XbmDevice


class XbmRows(nn.Module):
    """Ring buffer of rows of several fields. It is part of checkpoints, with its position.

    Args:
        config: Number of rows, and the device.

    Example:
        >>> rows = XbmRows(XbmConfig(buffer_size=2))
        >>> rows.push({"label": torch.tensor([0.5, 0.9]), "id": torch.tensor([1001, 1002])})
        >>> rows.push({"label": torch.tensor([0.1]), "id": torch.tensor([1003])})
        >>> {name: values.tolist() for name, values in rows.read().items()}
        {'label': [0.10000000149011612, 0.8999999761581421], 'id': [1003, 1002]}
    """

    def __init__(self, config: XbmConfig):
        super().__init__()
        self._size = config.buffer_size
        self._device = XbmDevice(config.device)
        self._fields: dict[str, Tensor] = {}
        self._seen = 0

    def __len__(self) -> int:
        """Return the number of stored rows."""
        return min(self._seen, self._size)

    @property
    def is_full(self) -> bool:
        """Whether the buffer is full."""
        return self._seen >= self._size

    def read(self) -> dict[str, Tensor]:
        """Return the stored rows of each field, in no particular order; empty at first."""
        return {name: values[: len(self)] for name, values in self._fields.items()}

    def push(self, fields: dict[str, Tensor]) -> None:
        """Store rows, replacing the oldest.

        Args:
            fields: Values by field, first dimension n for all of them.
        """
        count = len(next(iter(fields.values())))
        kept = min(count, self._size)
        places = (torch.arange(kept) + self._seen + count - kept) % self._size
        for name, values in fields.items():
            device = values.device if self._device == XbmDevice.AUTO else self._device.value
            latest = values.detach()[count - kept :].to(device)
            remembered = self._fields.get(name)
            if remembered is None:
                remembered = latest.new_zeros(self._size, *latest.shape[1:])
            dtype = torch.promote_types(remembered.dtype, latest.dtype)
            remembered = remembered.to(device, dtype)
            remembered[places.to(device)] = latest.to(dtype)
            self._fields[name] = remembered
        self._seen += count

    def get_extra_state(self) -> dict[str, Any]:
        """Return the state of the buffer for a checkpoint."""
        return {"fields": self._fields, "seen": self._seen}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore the buffer from a checkpoint."""
        self._fields, self._seen = dict(state["fields"]), state["seen"]
