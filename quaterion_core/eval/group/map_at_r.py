"""MAP@R: mean average precision at R."""

from __future__ import annotations

import torch
from torch import Tensor

from quaterion_core.eval.group.group_metric import GroupMetric
from quaterion_core.eval.ranking import Needs, Ranking, hits_among_relevant


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

    @property
    def needs(self) -> Needs:
        """The R nearest candidates."""
        return Needs(nearest_relevant=True)

    def ranking_values(self, ranking: Ranking) -> Tensor:
        """Return the average precision of the R nearest."""
        hits = hits_among_relevant(ranking)
        ranks = torch.arange(1, hits.shape[1] + 1, device=hits.device)
        precisions = hits.cumsum(dim=1) / ranks * hits
        return precisions.sum(dim=1) / ranking.relevant_count.clamp(min=1)


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
    return MapAtR().query_values(distance_matrix, labels)
