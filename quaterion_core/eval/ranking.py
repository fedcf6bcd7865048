"""Counts of relevant objects among the nearest, with ties to the disadvantage of the model.

Of a relevant and an irrelevant object at the same distance, the irrelevant one counts as nearer.
Metrics then depend on the distances alone, not on the order of the data, and a model that maps
everything to one point scores 0.
"""

from __future__ import annotations

import torch
from torch import Tensor


def check_k(k: int) -> None:
    """Raise a ``ValueError`` unless k can be a number of nearest objects."""
    if k < 1:
        raise ValueError(f"Expected k, the number of nearest objects, to be 1 or more, got {k}.")


def relevant(distance_matrix: Tensor, labels: Tensor) -> Tensor:
    """Return what is relevant, shape (Q, N), bool: a label above 0 at a finite distance.

    A query is at infinite distance from itself, so it is never relevant to itself.

    Raises:
        ValueError: The two are not matrices of the same shape.
    """
    if distance_matrix.ndim != 2 or distance_matrix.shape != labels.shape:
        raise ValueError(
            f"Expected distance_matrix and labels of the same shape (Q, N), got "
            f"{tuple(distance_matrix.shape)} and {tuple(labels.shape)}."
        )
    is_labelled = labels if labels.dtype == torch.bool else labels > 0
    return is_labelled & (distance_matrix < torch.inf)


def first_rank(distance_matrix: Tensor, relevance: Tensor) -> Tensor:
    """Return the rank, counted from 1, of the nearest relevant object of each query.

    Args:
        distance_matrix: Distances of Q queries from N objects, shape (Q, N).
        relevance: Shape (Q, N), bool.

    Returns:
        Shape (Q,), int64; N + 1 where nothing is relevant.

    Example:
        >>> first_rank(torch.tensor([[0.3, 0.2, 0.2]]), torch.tensor([[False, False, True]]))
        tensor([2])
    """
    if not distance_matrix.numel():
        return distance_matrix.new_ones(len(distance_matrix), dtype=torch.int64)
    nearest = distance_matrix.masked_fill(~relevance, torch.inf).amin(dim=1, keepdim=True)
    return 1 + _count((distance_matrix <= nearest) & ~relevance)


def hits_among_nearest(distance_matrix: Tensor, relevance: Tensor, counts: Tensor) -> Tensor:
    """Count the relevant ones among the nearest objects of each query.

    Args:
        distance_matrix: Distances of Q queries from N objects, shape (Q, N).
        relevance: Shape (Q, N), bool.
        counts: Number of nearest objects to consider for each query, shape (Q,), int64, 0 to N.

    Returns:
        Shape (Q,), int64.

    Example:
        >>> relevance = torch.tensor([[False, False, True]])
        >>> hits_among_nearest(torch.tensor([[0.3, 0.2, 0.1]]), relevance, torch.tensor([1]))
        tensor([1])
        >>> hits_among_nearest(torch.tensor([[0.3, 0.1, 0.1]]), relevance, torch.tensor([1]))
        tensor([0])
    """
    if not distance_matrix.numel():
        return torch.zeros_like(counts)
    width = max(1, int(counts.max()))
    nearest, columns = distance_matrix.topk(width, dim=1, largest=False)
    farthest = nearest.gather(1, (counts - 1).clamp(min=0).unsqueeze(1))
    is_nearer = nearest < farthest
    hits = (is_nearer & relevance.gather(1, columns)).sum(dim=1)
    tied_irrelevant = _count((distance_matrix == farthest) & ~relevance)
    places_for_tied = counts - is_nearer.sum(dim=1)
    return hits + (places_for_tied - tied_irrelevant).clamp(min=0)


def _count(matrix: Tensor) -> Tensor:
    """Count the true values of each row, in int32, which takes half the time of int64."""
    return matrix.sum(dim=1, dtype=torch.int32).long()
