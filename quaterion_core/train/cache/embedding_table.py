"""A table of embeddings: in memory, on a device, or in a file that is mapped into memory."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from quaterion_core.dataset.embedded import Embedded


class EmbeddingTable:
    """Rows of embeddings, of distinct objects.

    Args:
        rows: Number of rows R.
        size: Size D of an embedding.
        dtype: Type in which they are stored.
        file: Where to store them; in memory without one. A file that is there already, whole,
            keeps its content.

    Attributes:
        is_new: Whether nothing of an earlier table of this size is there.
    """

    def __init__(self, rows: int, size: int, dtype: torch.dtype, file: Path | None = None):
        self.file = file
        self.is_new = True
        if file is None or rows == 0:
            self._values = torch.empty(rows, size, dtype=dtype)
            return
        length = rows * size * dtype.itemsize
        self.is_new = not file.exists() or file.stat().st_size != length
        with file.open("ab") as stream:
            stream.truncate(length)
        mapped = torch.from_file(str(file), shared=True, size=rows * size, dtype=dtype)
        self._values = mapped.view(rows, size)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def values(self) -> Tensor:
        """The table, shape (R, D)."""
        return self._values

    def write(self, rows: Tensor, embeddings: Tensor) -> None:
        """Store embeddings (n, D) in the given rows (n,)."""
        self._values[rows] = embeddings.to(self._values.device, self._values.dtype)

    def flush(self) -> None:
        """Push what was written to the disk."""
        if self.file is not None and len(self):
            with self.file.open("rb+") as stream:
                os.fsync(stream.fileno())

    def to_memory(self, device: torch.device | str = "cpu") -> None:
        """Copy the table into memory, or onto a device."""
        self._values = self._values.to(device, copy=True)
        self.file = None

    def look_up(self, rows: Tensor) -> Embedded | DeviceRows:
        """Return the embeddings of the given rows, in float32."""
        if self._values.is_cuda:
            return DeviceRows(self, rows)
        return Embedded(self._values.index_select(0, rows).float())


class DeviceRows:
    """Rows of a table on a device, looked up when the batch goes there."""

    def __init__(self, table: EmbeddingTable, rows: Tensor):
        self._table = table
        self._rows = rows

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Embedded:
        """Look the rows up where the table is."""
        values = self._table.values
        rows = self._rows.to(values.device, non_blocking=non_blocking)
        return Embedded(values.index_select(0, rows).float().to(device))

    def pin_memory(self) -> DeviceRows:
        """Pin the row numbers."""
        return DeviceRows(self._table, self._rows.pin_memory())
