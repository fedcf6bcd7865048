"""A table of vectors that are found by the digests of their keys."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file
from typing_extensions import Self

from quaterion_core.storage import InvalidFolderError, NotWritableError, SavedFolder
from quaterion_core.utils.counted import counted

_FILE: Final = "vectors.safetensors"
_DIGEST_SIZE: Final = 16
_MAPPED_FROM: Final = 256 << 20
_BLOCK_ROWS: Final = 1 << 16


class VectorTable:
    """Vectors by key.

    Only digests of the keys are kept, so that a saved table does not contain the texts themselves.

    Args:
        keys: N keys. Equal keys have equal vectors.
        vectors: Their vectors, shape (N, D), float16, float32 or float64.
        source: Where they come from, for errors.

    Raises:
        ValueError: Numbers or types are wrong, a value is NaN or infinite, or a key has two
            different vectors.

    Example:
        >>> table = VectorTable(["a", "b"], np.array([[1.0, 2.0], [3.0, 4.0]]), "the example")
        >>> table.rows(["b", "c"])
        array([ 1, -1])
        >>> table[[1]]
        array([[3., 4.]], dtype=float32)
    """

    FILES: ClassVar[frozenset[str]] = frozenset({_FILE})
    """What :meth:`save` writes."""

    def __init__(self, keys: Sequence[str], vectors: npt.NDArray[Any], source: str):
        _check(keys, vectors, source)
        digests = _digests(keys)
        order = np.argsort(digests, kind="stable")
        digests = digests[order]
        again = digests[1:] == digests[:-1]
        if again.any():
            first, second = order[:-1][again], order[1:][again]
            _check_equal(keys, vectors, first, second, source)
            kept = np.concatenate([[True], ~again])
            digests, order = digests[kept], order[kept]
        self._digests, self._order, self._vectors = digests, order, vectors

    @property
    def size(self) -> int:
        """Number of dimensions D."""
        return int(self._vectors.shape[1])

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._digests)

    def rows(self, keys: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the row of each key, -1 for a key that has none."""
        wanted = _digests(keys)
        places = np.searchsorted(self._digests, wanted).clip(max=len(self._digests) - 1)
        found = self._digests[places] == wanted
        rows: npt.NDArray[np.int64] = np.where(found, self._order[places], -1)
        return rows

    def __getitem__(self, rows: Any) -> npt.NDArray[np.float32]:
        """Return the vectors of n rows, shape (n, D)."""
        return np.asarray(self._vectors[rows], dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write ``vectors.safetensors`` into an existing folder."""
        half = self._vectors.dtype == np.float16
        vectors = self._vectors[self._order]
        tensors = {
            "digests": self._digests.view(np.uint8).reshape(-1, _DIGEST_SIZE),
            "vectors": vectors if half else vectors.astype(np.float32, copy=False),
        }
        try:
            save_file(
                {name: np.ascontiguousarray(t) for name, t in tensors.items()}, folder / _FILE
            )
        except Exception as error:  # safetensors raises an error of its own for a full disk
            raise NotWritableError(f"{folder / _FILE} cannot be written: {error}.") from error

    @classmethod
    def load(cls, folder: SavedFolder) -> Self:
        """Read what :meth:`save` wrote; a large file is mapped into memory.

        Raises:
            InvalidFolderError: The file is missing or damaged.
        """
        source = str(folder.path / _FILE)
        with folder.open_tensors(_FILE) as file:
            found = {name: (str(info.dtype), info.shape) for name, info in file.tensors.items()}
            if not _is_table(found):
                raise InvalidFolderError(
                    f"Expected {source} to contain digests (N, 16) and vectors (N, D), got "
                    f"{dict(list(found.items())[:3])}. Save the model again."
                )
            is_large = file.tensors["vectors"].bytes > _MAPPED_FROM
            tensors = file.map() if is_large else dict(file.read())
        digests = tensors["digests"].numpy().reshape(-1).view(f"S{_DIGEST_SIZE}")
        if (digests[1:] <= digests[:-1]).any():
            raise InvalidFolderError(f"{source} is damaged: its digests are not in order.")
        table = cls.__new__(cls)
        table._digests, table._vectors = digests, tensors["vectors"].numpy()
        table._order = np.arange(len(digests))
        return table


def _digests(keys: Sequence[str]) -> npt.NDArray[np.bytes_]:
    """Return digests, shape (N,). NumPy pads bytes with zeros, so that all have 16 of them."""
    joined = b"".join(
        hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_SIZE).digest()
        for key in keys
    )
    return np.frombuffer(joined, dtype=f"S{_DIGEST_SIZE}")


def _check(keys: Sequence[str], vectors: npt.NDArray[Any], source: str) -> None:
    if vectors.ndim != 2 or not vectors.size:
        raise ValueError(f"Expected vectors of shape (N, D) in {source}, got {vectors.shape}.")
    if vectors.dtype not in (np.float16, np.float32, np.float64):
        raise ValueError(
            f"Expected floating-point vectors in {source}, got {vectors.dtype}. Write them as "
            "float32 or float16."
        )
    if len(keys) != len(vectors):
        raise ValueError(
            f"Expected a key for each vector in {source}, got {len(keys):,} keys and "
            f"{len(vectors):,} vectors."
        )
    for start in range(0, len(vectors), _BLOCK_ROWS):
        finite = np.isfinite(vectors[start : start + _BLOCK_ROWS]).all(axis=1)
        if not finite.all():
            row = start + int(finite.argmin())
            raise ValueError(
                f"Expected finite vectors in {source}, got NaN or infinity in row {row}, of "
                f"{keys[row]!r:.60}. Embed it again, or leave it out."
            )


def _check_equal(
    keys: Sequence[str],
    vectors: npt.NDArray[Any],
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
    source: str,
) -> None:
    """Check that pairs of rows with the same key have the same vector."""
    for start in range(0, len(first), _BLOCK_ROWS):
        a, b = first[start : start + _BLOCK_ROWS], second[start : start + _BLOCK_ROWS]
        different = (vectors[a] != vectors[b]).any(axis=1)
        if different.any():
            row, other = a[different][0], b[different][0]
            raise ValueError(
                f"Expected one vector for each key in {source}, got two different ones for "
                f"{keys[row]!r:.60}, in rows {row} and {other} (and "
                f"{counted(int(different.sum()) - 1, 'other pair')}). Use a column of unique keys, "
                "such as the id, or remove one of the rows."
            )


def _is_table(found: dict[str, tuple[str, tuple[int, ...]]]) -> bool:
    if found.keys() != {"digests", "vectors"}:
        return False
    (digest_type, digests), (vector_type, vectors) = found["digests"], found["vectors"]
    return (
        digest_type == "torch.uint8"
        and vector_type in ("torch.float16", "torch.float32")
        and len(digests) == len(vectors) == 2
        and digests == (vectors[0], _DIGEST_SIZE)
        and min(vectors) > 0
    )
