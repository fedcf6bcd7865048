"""Sparse relations: which columns belong to which rows."""

from __future__ import annotations

import torch
from torch import Tensor


class Relation:
    """A sparse relation between rows and columns.

    Args:
        rows: Rows of the related pairs, shape (E,), int64. Pairs may be repeated.
        columns: Their columns, shape (E,), int64.
        num_rows: Number of rows.
        num_columns: Number of columns.

    Example:
        >>> relation = Relation(torch.tensor([2, 0, 2]), torch.tensor([1, 0, 0]), 3, 2)
        >>> relation.of(torch.tensor([2, 1, 0]))
        (tensor([0, 0, 2]), tensor([0, 1, 0]))
        >>> relation.holds(torch.tensor([2, 1]), torch.tensor([1, 1]))
        tensor([ True, False])
    """

    def __init__(self, rows: Tensor, columns: Tensor, num_rows: int, num_columns: int):
        self._num_columns = max(num_columns, 1)
        self._codes = torch.unique(rows * self._num_columns + columns)
        bounds = torch.arange(num_rows + 1) * self._num_columns
        self._starts = torch.searchsorted(self._codes, bounds)

    def of(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return all pairs of some rows.

        Args:
            rows: Shape (R,).

        Returns:
            For each pair the position of its row in ``rows``, and its column.
        """
        starts = self._starts[rows]
        counts = self._starts[rows + 1] - starts
        positions = torch.arange(len(rows)).repeat_interleave(counts)
        before = (counts.cumsum(0) - counts)[positions]
        entries = torch.arange(len(positions)) - before + starts[positions]
        return positions, self._codes[entries] % self._num_columns

    def holds(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Return which of some pairs are related: shapes (N,) and (N,) to (N,), bool."""
        if not len(self._codes):
            return torch.zeros(len(rows), dtype=torch.bool)
        wanted = rows * self._num_columns + columns
        places = torch.searchsorted(self._codes, wanted).clamp(max=len(self._codes) - 1)
        found: Tensor = self._codes[places] == wanted
        return found
