"""A table of embeddings: in memory, on a device, or in a file that is mapped into memory."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from quaterion_core.dataset.embedded import Embedded
from quaterion_core.storage import NotWritableError
from quaterion_core.storage.regular_files import kind_of_file

_READ_ONLY: Final = (errno.EACCES, errno.EPERM, errno.EROFS)


class EmbeddingTable:
    """Embeddings of distinct objects, one row for each, with one or more views of each object.

    Args:
        rows: Number of objects R.
        size: Size D of an embedding.
        dtype: Type in which they are stored.
        file: File to store them in; ``None`` for memory. An existing file of the right size keeps
            its content. Disk space is reserved for the whole file.
        views: Number of embeddings V of each object.

    Example:
        >>> table = EmbeddingTable(rows=2, size=1, dtype=torch.float32, views=2)
        >>> table.write(torch.tensor([0, 1]), torch.tensor([[1.0], [2.0]]), view=0)
        >>> table.write(torch.tensor([1, 0]), torch.tensor([[20.0], [10.0]]), view=1)
        >>> table.values.flatten().tolist()
        [1.0, 10.0, 2.0, 20.0]
        >>> table.look_up(torch.tensor([1])).embeddings
        tensor([[2.]])

    Attributes:
        is_new: Whether there was no earlier table of this size.
        is_writable: Whether it can be written to; an existing file may be read-only.

    Raises:
        NotWritableError: The file cannot be created, is no regular file, or there is not enough
            disk space.
    """

    def __init__(
        self,
        rows: int,
        size: int,
        dtype: torch.dtype,
        file: Path | None = None,
        views: int = 1,
    ):
        self.file = file
        self.views = views
        self.is_new = True
        self.is_writable = True
        places = rows * views
        if file is None or places == 0:
            self._values = torch.empty(places, size, dtype=dtype)
            return
        length = places * size * dtype.itemsize
        self.is_new = _size_of(file) != length
        try:
            _reserve(file, length)
        except OSError as error:
            if self.is_new or error.errno not in _READ_ONLY:
                raise _not_writable(file, length, error) from error
            self.is_writable = False
        mapped = torch.from_file(
            str(file), shared=self.is_writable, size=places * size, dtype=dtype
        )
        self._values = mapped.view(places, size)

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self._values) // self.views

    @property
    def values(self) -> Tensor:
        """The table, shape (R · V, D); the views of an object are adjacent."""
        return self._values

    def write(self, rows: Tensor, embeddings: Tensor, view: int = 0) -> None:
        """Store embeddings (n, D) as one view of the objects of the given rows (n,)."""
        places = rows * self.views + view
        self._values[places] = embeddings.to(self._values.device, self._values.dtype)

    def checksum(self, rows: Tensor, view: int = 0) -> int:
        """Return the CRC-32 of one view of the objects of the given rows (n,), as stored."""
        stored = self._values.index_select(0, rows * self.views + view)
        return zlib.crc32(stored.view(torch.uint8).numpy().tobytes())

    def flush(self) -> None:
        """Push what was written to the disk."""
        if self.file is not None and self.is_writable and len(self):
            with self.file.open("rb+") as stream:
                os.fsync(stream.fileno())

    def to_memory(self, device: torch.device | str = "cpu") -> None:
        """Copy the table into memory, or onto a device."""
        self._values = self._values.to(device, copy=True)
        self.file = None

    def look_up(self, rows: Tensor) -> Embedded | DeviceRows:
        """Return the first view of the objects of the given rows, in float32."""
        return self._read(rows * self.views)

    def draw(self, rows: Tensor) -> Embedded | DeviceRows:
        """Return a random view of each object of the given rows, in float32."""
        if self.views == 1:
            return self.look_up(rows)
        return self._read(rows * self.views + torch.randint(self.views, rows.shape))

    def _read(self, places: Tensor) -> Embedded | DeviceRows:
        if self._values.is_cuda:
            return DeviceRows(self._values, places)
        return Embedded(self._values.index_select(0, places).float())


def _size_of(file: Path) -> int | None:
    """Return the size of a file, or ``None`` if there is none.

    Raises:
        NotWritableError: It is a link, which could lead to another file, or no regular file.
    """
    try:
        status = file.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise NotWritableError(
            f"The cache cannot be kept in {file}: it is {kind_of_file(status.st_mode)}. Remove it, "
            "or choose another save_dir."
        )
    return status.st_size


def _reserve(file: Path, length: int) -> None:
    """Create a file of ``length`` bytes and reserve the disk space for it."""
    with file.open("ab") as stream:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(stream.fileno(), 0, length)
        elif length - file.stat().st_size > shutil.disk_usage(file.parent).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        stream.truncate(length)


def _not_writable(file: Path, length: int, error: OSError) -> NotWritableError:
    """Return an error that explains why a table cannot be written."""
    with suppress(OSError):
        file.unlink()
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return NotWritableError(
            f"The cache cannot be written to {file.parent} ({error.strerror}), and the folder has "
            "no cache of this encoder and these data. Make the folder writable, choose another "
            "save_dir, or fill the cache once where it can be written."
        )
    free = shutil.disk_usage(file.parent).free
    return NotWritableError(
        f"The cache needs {length / 1e6:,.1f} MB in {file.parent}, but only {free / 1e6:,.1f} MB "
        "are free. Free up space, choose another save_dir (or TMPDIR), or halve the size with "
        "CacheConfig(dtype=torch.float16)."
    )


class DeviceRows:
    """Rows of a table on a device, looked up when the batch is moved to the device."""

    def __init__(self, values: Tensor, places: Tensor):
        self._values = values
        self._places = places

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Embedded:
        """Look up the rows on the device of the table."""
        places = self._places.to(self._values.device, non_blocking=non_blocking)
        return Embedded(self._values.index_select(0, places).float().to(device))

    def pin_memory(self) -> DeviceRows:
        """Pin the row numbers."""
        return DeviceRows(self._values, self._places.pin_memory())
