"""Safetensors files of untrusted folders: the header first, within limits, then the tensors."""

from __future__ import annotations

import io
import math
import mmap
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import torch
from torch import Tensor

from quaterion_core.storage.errors import InvalidFolderError
from quaterion_core.storage.json_files import parse_json_object

if TYPE_CHECKING:
    from torch import dtype as Dtype  # a type

HEADER_LIMIT: Final = 16 << 20
"""The largest header that is read, in bytes: some hundred thousand tensors."""

_LENGTH_BYTES: Final = 8
_BLOCK: Final = 1 << 20
_LARGEST_DIMENSION: Final = 1 << 48
_MOST_DIMENSIONS: Final = 16
_LONGEST_NAME: Final = 1024
_SPARSE_FROM: Final = 64 << 20
_LEAST_SHARE_ON_DISK: Final = 64
_METADATA: Final = "__metadata__"

DTYPES: Final[Mapping[str, Dtype]] = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}
"""The types of tensors that are read, by their names in safetensors files."""


class Digest(Protocol):
    """Digest of all bytes that are read, such as ``hashlib.sha256()``."""

    def update(self, data: Any, /) -> None:
        """Update the digest with bytes."""


@dataclass(frozen=True)
class TensorInfo:
    """The entry of a tensor in a header.

    Args:
        dtype: The type of its values.
        shape: Its shape.
    """

    dtype: Dtype
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """The size of the values in bytes."""
        return self.elements * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')} of shape {self.shape}"


class TensorFile:
    """An open safetensors file: its header, and its tensors, which can be read once.

    The file is untrusted: the header has a size limit, the tensors must fill the file without gaps
    or overlaps, and a sparse file is refused, so that reading takes no more memory than the file
    takes disk space.

    Args:
        descriptor: The open file, at its beginning; the caller closes it.
        source: The file, for errors.
        digest: Digest to update with every byte that is read.

    Attributes:
        tensors: The header entries of the tensors, by name, in the order of the file.

    Raises:
        InvalidFolderError: The file is not a valid safetensors file, or is cut off.
    """

    def __init__(self, descriptor: int, source: str, digest: Digest | None = None):
        self._file = io.FileIO(descriptor, closefd=False)
        self._source = source
        self._digest = digest
        status = os.fstat(descriptor)
        self._check_holes(status)
        size = int.from_bytes(self._read(_LENGTH_BYTES), "little")
        if size > min(HEADER_LIMIT, status.st_size - _LENGTH_BYTES):
            raise self._error(f"its header claims {size:,} bytes")
        header = parse_json_object(self._read(size), f"The header of {source}")
        self._check_metadata(header.pop(_METADATA, {}))
        self.tensors: Mapping[str, TensorInfo] = self._checked(
            header, status.st_size - _LENGTH_BYTES - size
        )

    @property
    def elements(self) -> int:
        """The number of values of all tensors."""
        return sum(info.elements for info in self.tensors.values())

    def read(self) -> Iterator[tuple[str, Tensor]]:
        """Read the tensors, in the order of the file, each into memory of its own.

        Raises:
            InvalidFolderError: The file is cut off, or a tensor holds NaN or infinity.
        """
        for name, info in self.tensors.items():
            try:
                tensor = torch.empty(info.shape, dtype=info.dtype)
            except RuntimeError as error:  # torch says so where there is not enough memory
                raise self._error(f"there is no memory for {name!r:.80} ({info})") from error
            if info.elements:
                values: Any = tensor.reshape(-1).view(torch.uint8).numpy()
                self._fill(memoryview(values))
            if not is_finite(tensor):
                raise InvalidFolderError(
                    f"{self._source} is broken: the tensor {name!r:.80} holds NaN or infinity. "
                    "The training that saved it diverged, or the file was changed."
                )
            if info.dtype is torch.bool and info.elements:
                self._check_booleans(name, tensor)
            yield name, tensor

    def map(self) -> dict[str, Tensor]:
        """Map the tensors into memory: what is looked up is read, and the file has to stay.

        The file is read once for its checksum. What changes in it later changes the tensors.
        """
        try:
            mapping = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as error:
            raise self._error(f"it cannot be mapped into memory ({error})") from error
        start = self._file.tell()
        if self._digest is not None:
            with memoryview(mapping) as view:
                for place in range(start, len(view), _BLOCK):
                    self._digest.update(view[place : place + _BLOCK])
        tensors = {}
        for name, info in self.tensors.items():
            if info.elements:
                flat = torch.frombuffer(
                    mapping, dtype=info.dtype, count=info.elements, offset=start
                )
                tensors[name] = flat.reshape(info.shape)
            else:
                tensors[name] = torch.empty(info.shape, dtype=info.dtype)
            start += info.bytes
        return tensors

    def _fill(self, memory: memoryview) -> None:
        done = 0
        while done < len(memory):
            try:
                count = self._file.readinto(memory[done : done + _BLOCK])
            except OSError as error:
                raise self._error(f"it cannot be read ({error.strerror})") from error
            if not count:
                raise self._error("it is cut off")
            if self._digest is not None:
                self._digest.update(memory[done : done + count])
            done += count

    def _read(self, size: int) -> bytes:
        data = bytearray(size)
        self._fill(memoryview(data))
        return bytes(data)

    def _checked(self, header: dict[str, Any], data_size: int) -> dict[str, TensorInfo]:
        found: list[tuple[int, int, str, TensorInfo]] = []
        for name, entry in header.items():
            if not name or len(name) > _LONGEST_NAME:
                raise self._error(f"it names a tensor {name!r:.80}")
            if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
                raise self._error(f"its entry for {name!r:.80} is malformed")
            dtype = DTYPES.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
            if dtype is None:
                raise self._error(f"{name!r:.80} is of the type {entry['dtype']!r:.80}")
            shape, offsets = entry["shape"], entry["data_offsets"]
            if not _are_sizes(shape) or len(shape) > _MOST_DIMENSIONS:
                raise self._error(f"{name!r:.80} is of the shape {shape!r:.80}")
            if not _are_sizes(offsets) or len(offsets) != 2:
                raise self._error(f"{name!r:.80} lies at {offsets!r:.80}")
            found.append((*offsets, name, TensorInfo(dtype, tuple(shape))))
        found.sort(key=lambda entry: entry[:3])
        end = 0
        for start, stop, name, info in found:
            if start != end or stop - start != info.bytes:
                raise self._error(f"{name!r:.80} ({info}) does not lie where it should")
            end = stop
        if end != data_size:
            raise self._error(f"expected {end:,} bytes of tensors, got {data_size:,}")
        return {name: info for _, _, name, info in found}

    def _check_metadata(self, metadata: object) -> None:
        if metadata not in ({}, {"format": "pt"}, {"format": "np"}):
            raise self._error(f"its metadata are {metadata!r:.80}")

    def _check_holes(self, status: os.stat_result) -> None:
        blocks = getattr(status, "st_blocks", None)  # not on Windows
        if blocks is None or status.st_size < _SPARSE_FROM:
            return
        if blocks * 512 * _LEAST_SHARE_ON_DISK < status.st_size:
            raise self._error(f"it claims {status.st_size:,} bytes, but is mostly holes")

    def _check_booleans(self, name: str, tensor: Tensor) -> None:
        if int(tensor.view(torch.uint8).max()) > 1:
            raise self._error(f"{name!r:.80} holds booleans that are neither true nor false")

    def _error(self, what: str) -> InvalidFolderError:
        return InvalidFolderError(
            f"{self._source} is cut off or broken: {what}. Copy the folder "
            "again, or save the model again."
        )


def is_finite(tensor: Tensor) -> bool:
    """Whether a tensor holds neither NaN nor infinity; integers and booleans never do.

    Example:
        >>> is_finite(torch.tensor([1.0, 3e38])), is_finite(torch.tensor([float("nan")]))
        (True, False)
    """
    if not tensor.is_floating_point():
        return True
    # The sum is not finite if a value is not, and takes no memory; but it can overflow.
    return math.isfinite(float(tensor.sum())) or bool(torch.isfinite(tensor).all())


def _are_sizes(value: object) -> bool:
    return isinstance(value, list) and all(
        type(item) is int and 0 <= item < _LARGEST_DIMENSION for item in value
    )
