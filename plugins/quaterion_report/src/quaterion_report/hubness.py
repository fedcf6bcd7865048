"""Hubs: objects that are found by many more queries than others."""

from __future__ import annotations

import torch
from torch import Tensor


def k_occurrences(found: Tensor, candidates: int) -> Tensor:
    """Return how many queries find each candidate among their k nearest.

    Source: Radovanović, Nanopoulos and Ivanović, Hubs in Space: Popular Nearest Neighbors in
    High-Dimensional Data, JMLR 11 (2010), section 2.

    Args:
        found: Numbers of the k candidates that each of Q queries finds, shape (Q, k); -1 where
            there are fewer.
        candidates: M, the number of candidates.

    Returns:
        Shape (M,), int64.

    Example:
        >>> k_occurrences(torch.tensor([[0, 2], [2, -1]]), candidates=3)
        tensor([1, 0, 2])
    """
    return torch.bincount(found[found >= 0].flatten(), minlength=candidates)


def skewness(values: Tensor) -> float:
    """Return the third standardized moment, which is large where few objects are found by many.

    Args:
        values: Shape (M,).

    Returns:
        0 for values that are symmetric about their mean, or all the same.

    Example:
        >>> skewness(torch.tensor([1.0, 2.0, 3.0])), skewness(torch.tensor([5, 5]))
        (0.0, 0.0)
        >>> skewness(torch.tensor([0, 0, 0, 4]))
        1.154701
    """
    deviations = values.double() - values.double().mean()
    spread = deviations.square().mean().sqrt()
    if spread == 0:
        return 0.0
    return round(float((deviations / spread).pow(3).mean()), 6)
