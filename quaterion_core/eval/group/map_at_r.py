"""MAP@R: mean average precision at R."""

from __future__ import annotations

import torch
from torch import Tensor

from quaterion_core.eval.group.group_metric import GroupMetric
from quaterion_core.eval.ranking import relevant


class MapAtR(GroupMetric):
    """MAP@R: the average precision of the R nearest objects, of R relevant ones.

    Relevant to a query are the other objects of its group. With P(i) for the precision among the i
    nearest, the value of a query is::

        1/R Σ over i from 1 to R of P(i) where the i-th nearest is relevant, else 0

    It is 1 if all of the R nearest are relevant. Unlike R-precision, it depends on their order.
    The only object of a group is not a query. Of objects at the same distance, irrelevant ones
    count as nearer.

    Source: Musgrave, Belongie, Lim, A Metric Learning Reality Check, ECCV 2020, section 3.2,
    equation 1.

    Args:
        distance_metric_name: Distance by which candidates are ranked.
        reduce_func: Reduces the values of all queries that have a relevant object to one value; 0
            if there are none. ``None`` returns the values, in the order of the queries.

    Example:
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.5, 0.5]])
        >>> # To the last one, the third is the nearest, which is in another group, then the second.
        >>> MapAtR(reduce_func=None).compute(embeddings, torch.tensor([1, 1, 2, 1]))
        tensor([0.5000, 0.5000, 0.2500])
    """

    def query_values(self, distance_matrix: Tensor, labels: Tensor) -> Tensor:
        """Return :func:`map_at_r`."""
        return map_at_r(distance_matrix, labels)


def map_at_r(distance_matrix: Tensor, labels: Tensor) -> Tensor:
    """Return the average precision at R of each query.

    Args:
        distance_matrix: Distances of Q queries from N objects, shape (Q, N); infinite where an
            object would find itself.
        labels: Relevant where above 0, shape (Q, N).

    Returns:
        Shape (Q,); 0 where nothing is relevant.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> distance_matrix = torch.tensor([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
        >>> map_at_r(distance_matrix, torch.tensor([[1, 0, 1], [0, 1, 1]]))
        tensor([0.5000, 0.2500])
    """
    relevance = relevant(distance_matrix, labels)
    counts = relevance.sum(dim=1, keepdim=True)
    if not relevance.any():
        return distance_matrix.new_zeros(len(distance_matrix))
    # Only the rank of a relevant object is needed: how many relevant ones are nearer, and how many
    # irrelevant ones are not farther away. At most R of either are needed.
    width = int(counts.max())
    hits = _nearest(distance_matrix, relevance, width)
    misses = _nearest(distance_matrix, ~relevance, width)
    place = torch.arange(1, width + 1, device=counts.device)
    rank = place + torch.searchsorted(misses, hits, right=True)
    return ((place / rank) * (rank <= counts)).sum(dim=1) / counts.squeeze(1).clamp(min=1)


def _nearest(distance_matrix: Tensor, mask: Tensor, count: int) -> Tensor:
    """Return the smallest marked distances of each row, ascending, padded with infinity."""
    return distance_matrix.masked_fill(~mask, torch.inf).topk(count, largest=False).values
