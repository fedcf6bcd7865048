"""File of the vectors of a store: rows of one size, appended and mapped into memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from quaterion_core.storage import InvalidFolderError
from quaterion_core.storage.regular_files import open_regular_file

VectorType: TypeAlias = Literal["float32", "int8"]
"""Type of vectors in a file."""

MOST_DIMENSIONS: Final = 2**16
"""Maximum size of a vector."""

_LEVELS: Final = 127
_BUFFER: Final = 2**22
"""Bytes of quantized vectors that are converted at once: what fits in the cache of a CPU."""

_COPIED_ROWS: Final = 2**14


class Chunk(NamedTuple):
    """Rows that were written together.

    Attributes:
        start: The first row.
        size: Number of rows.
        digest: SHA-256 of the bytes, in hexadecimal.
    """

    start: int
    size: int
    digest: str


class VectorFile:
    """Vectors in a file, float32 or quantized to int8 with a scale for each.

    Args:
        path: The file; it need not exist.
        dtype: Type of the vectors.
        embedding_size: Size D of the vectors.
    """

    def __init__(self, path: Path, dtype: VectorType, embedding_size: int):
        self._path = path
        self._row = (
            np.dtype(("<f4", (embedding_size,)))
            if dtype == "float32"
            else np.dtype([("scale", "<f4"), ("levels", "i1", (embedding_size,))])
        )
        self._is_quantized = dtype == "int8"
        self._size = embedding_size
        self._mapped: npt.NDArray[np.uint8] = np.empty(0, dtype=np.uint8)
        self._buffer = torch.empty(0, embedding_size)

    def append(self, start: int, vectors: npt.NDArray[np.float32]) -> Chunk:
        """Write vectors behind the first ``start`` rows, over what is there, and sync them.

        Raises:
            OSError: They cannot be written, such as for a full disk.
        """
        data = self._bytes_of(vectors)
        descriptor = os.open(self._path, _WRITING, 0o666)
        try:
            offset = start * self._row.itemsize
            os.ftruncate(descriptor, offset)  # what a killed process left
            os.lseek(descriptor, offset, os.SEEK_SET)
            with memoryview(data) as rest:
                written = 0
                while written < len(data):
                    written += os.write(descriptor, rest[written:])
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return Chunk(start, len(vectors), hashlib.sha256(data).hexdigest())

    def rows_at_once(self, largest: int) -> int:
        """Return how many rows to read at once, at most ``largest``."""
        if not self._is_quantized:
            return largest
        return min(largest, max(1, _BUFFER // (4 * self._size)))

    def require(self, rows: int) -> None:
        """Check that the file holds so many rows.

        Raises:
            FileNotFoundError: There is no file.
            InvalidFolderError: It is shorter.
        """
        self._map(rows)

    def block(self, start: int, stop: int, rows: int) -> Tensor:
        """Return the vectors of a range of rows, shape (stop - start, D), float32.

        Quantized vectors are in memory that the next call overwrites.

        Args:
            start: The first row.
            stop: The row behind the last.
            rows: Number of rows of the whole file, for mapping it.

        Raises:
            InvalidFolderError: The file is shorter.
        """
        found = self._map(rows)[start * self._row.itemsize : stop * self._row.itemsize]
        return self._vectors_of(found)

    def rows(self, rows: npt.NDArray[np.int64], of_all: int) -> Tensor:
        """Return the vectors of some rows, shape (N, D), float32.

        Args:
            rows: Shape (N,).
            of_all: Number of rows of the whole file, for mapping it.
        """
        bytes_of = self._map(of_all).reshape(-1, self._row.itemsize)
        return self._vectors_of(bytes_of[rows].reshape(-1)).clone()

    def copy_to(
        self, other: VectorFile, rows: npt.NDArray[np.int64], of_all: int
    ) -> Iterator[Chunk]:
        """Append some rows to another file, in parts, and yield these."""
        bytes_of = self._map(of_all).reshape(-1, self._row.itemsize)
        for start in range(0, len(rows), _COPIED_ROWS):
            part = bytes_of[rows[start : start + _COPIED_ROWS]]
            yield other.append(start, self._vectors_of(part.reshape(-1)).numpy())

    def check(self, chunks: Iterable[Chunk], rows: int) -> None:
        """Compare all rows with their checksums.

        Raises:
            InvalidFolderError: Rows differ, or have no checksum.
        """
        expected = 0
        for start, size, digest in chunks:
            first, last = (row * self._row.itemsize for row in (start, start + size))
            data = self._map(rows)[first:last].data
            if start != expected or hashlib.sha256(data).hexdigest() != digest:
                raise InvalidFolderError(
                    f"{self._path} is damaged: rows {start:,} to {start + size - 1:,} differ from "
                    "their checksum. Build it again."
                )
            expected = start + size
        if expected != rows:
            raise InvalidFolderError(f"{self._path} is damaged: rows lack checksums.")

    def remove(self) -> None:
        """Remove the file; where others have mapped it, they can still read it."""
        self._mapped = np.empty(0, dtype=np.uint8)
        with suppress(OSError):  # Windows keeps files that are mapped
            self._path.unlink(missing_ok=True)

    def _map(self, rows: int) -> npt.NDArray[np.uint8]:
        """Return the bytes of so many rows."""
        size = rows * self._row.itemsize
        if len(self._mapped) < size:
            descriptor = open_regular_file(self._path)
            with os.fdopen(descriptor, "rb") as file:
                if os.fstat(descriptor).st_size < size:
                    raise InvalidFolderError(
                        f"{self._path} is incomplete: expected {size:,} bytes. Build it again."
                    )
                # Copy-on-write, since PyTorch warns of arrays that cannot be written.
                self._mapped = np.memmap(file, dtype=np.uint8, mode="c", shape=(size,))
        return self._mapped

    def _bytes_of(self, vectors: npt.NDArray[np.float32]) -> bytes:
        if not self._is_quantized:
            return vectors.astype("<f4").tobytes()
        rows = np.zeros(len(vectors), dtype=self._row)
        rows["scale"] = np.abs(vectors).max(axis=1, initial=0) / _LEVELS
        divisors = np.where(rows["scale"] > 0, rows["scale"], 1)
        rows["levels"] = np.rint(vectors / divisors[:, None]).astype(np.int8)
        return rows.tobytes()

    def _vectors_of(self, data: npt.NDArray[np.uint8]) -> Tensor:
        if not self._is_quantized:
            return torch.from_numpy(data.view("<f4").reshape(-1, self._size))
        rows = data.view(self._row)
        if len(self._buffer) < len(rows):  # new memory for each block takes most of the time
            self._buffer = torch.empty(len(rows), self._size)
        scales = torch.from_numpy(np.ascontiguousarray(rows["scale"]))
        found = self._buffer[: len(rows)].copy_(torch.from_numpy(rows["levels"]))
        return found.mul_(scales.unsqueeze(1))


_WRITING: Final = (
    os.O_RDWR
    | os.O_CREAT
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
