"""Distinct objects of a dataset, and the row of a table for each object."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class DistinctObjects:
    """Distinct objects among T objects.

    Attributes:
        rows: Row of each object, shape (T,), int64. Rows are numbered by first occurrence.
        first: Number of the first object of each row, shape (R,), int64.
        digest: Digest of the content of all rows, in order.
    """

    rows: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    digest: str

    @classmethod
    def from_digests(cls, digests: npt.NDArray[np.uint8]) -> DistinctObjects:
        """Create from the digests of all objects.

        Args:
            digests: Shape (T, 16), bytes.

        Example:
            >>> digests = np.array([[7] * 16, [3] * 16, [7] * 16], dtype=np.uint8)
            >>> found = DistinctObjects.from_digests(digests)
            >>> found.rows.tolist(), found.first.tolist()
            ([0, 1, 0], [0, 1])
        """
        halves: Any = np.ascontiguousarray(digests).view(np.uint64)
        order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: equal ones keep their order
        ordered = halves[order]
        starts = np.ones(len(order), dtype=bool)
        starts[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
        first = order[starts]
        number = np.empty(len(first), dtype=np.int64)
        number[np.argsort(first)] = np.arange(len(first))
        rows = np.empty(len(order), dtype=np.int64)
        rows[order] = number[np.cumsum(starts) - 1]
        first = np.sort(first).astype(np.int64)
        return cls(rows, first, hashlib.sha256(digests[first].tobytes()).hexdigest())
