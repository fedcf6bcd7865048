"""Equal objects among the rows of a dataset, compared by content; the first represents all."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class EqualObjects:
    """Which rows hold equal objects.

    Args:
        objects: An id of the content of each of N objects, shape (N,), int64.

    Attributes:
        first: The first row that is equal to each, shape (N,), int64.

    Example:
        >>> equal = EqualObjects(torch.tensor([70, 80, 70, 90]))
        >>> equal.first
        tensor([0, 1, 0, 3])
        >>> equal.distinct(torch.tensor([1, 2, 0]))
        tensor([1, 2])
        >>> equal.copies(torch.tensor([1, 2]))
        (tensor([1, 0, 2]), tensor([0, 1, 1]))
        >>> equal.different([torch.tensor([5, 5, 6, 6])]).sort().values
        tensor([0, 1, 2, 3])
    """

    def __init__(self, objects: Tensor):
        _, content = torch.unique(objects, return_inverse=True)
        self.first = first_of(content)[content]

    def distinct(self, rows: Tensor) -> Tensor:
        """Return the first of some rows (R,) for each content, in the given order."""
        contents, content = torch.unique(self.first[rows], return_inverse=True)
        return rows if len(contents) == len(rows) else rows[first_of(content).sort().values]

    def different(self, values: Sequence[Tensor]) -> Tensor:
        """Return the first of the rows that hold equal objects with equal values.

        Args:
            values: Values of each of the N rows, shape (N,) each.
        """
        described = torch.stack([self.first, *values], dim=1)
        return first_of(torch.unique(described, dim=0, return_inverse=True)[1])

    def copies(self, rows: Tensor, among: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the rows that are equal to one of some distinct rows (R,).

        Args:
            rows: Distinct rows.
            among: The rows to return such of; by default all.

        Returns:
            The rows, and for each the position in ``rows`` of the one that it is equal to.
        """
        among = torch.arange(len(self.first), device=rows.device) if among is None else among
        position = torch.full_like(self.first, -1)
        position[self.first[rows]] = torch.arange(len(rows), device=rows.device)
        of_among = position[self.first[among]]
        found = of_among >= 0
        order = of_among[found].argsort(stable=True)
        return among[found][order], of_among[found][order]


def first_of(numbers: Tensor) -> Tensor:
    """Return the first position of each of the numbers 0, 1, ..., which all occur."""
    count = int(numbers.max()) + 1 if len(numbers) else 0
    positions = torch.arange(len(numbers), device=numbers.device)
    first = torch.full((count,), len(numbers), device=numbers.device)
    return first.scatter_reduce_(0, numbers, positions, "amin")
