"""Reciprocal rank."""

from __future__ import annotations

from torch import Tensor

from quaterion_core.eval.pair.pair_metric import PairMetric
from quaterion_core.eval.ranking import Needs, Ranking


class RetrievalReciprocalRank(PairMetric):
    """Reciprocal rank of the nearest relevant object; its mean is the mean reciprocal rank (MRR).

    Relevant to a query are its partners, as :class:`PairMetric` says; the nearest of them counts.
    Of objects at the same distance, irrelevant ones count as nearer. An object without anything
    relevant, such as one that is only in pairs with the label 0, is a candidate but not a query.

    Voorhees, *The TREC-8 Question Answering Track Report* (1999), section 3.

    Args:
        distance_metric_name: Distance by which candidates are ranked.
        reduce_func: Reduces the values of all queries that have a relevant object to one value; 0
            if there are none. ``None`` returns the values, in the order of the queries.

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.9, 0.2]])
        >>> targets = {
        ...     "labels": torch.ones(2),
        ...     "pairs": torch.tensor([[0, 2], [1, 3]]),
        ...     "subgroups": torch.tensor([0, 1, 0, 1]),
        ... }
        >>> RetrievalReciprocalRank(reduce_func=None).compute(embeddings, **targets)
        tensor([1.0000, 1.0000, 1.0000, 0.3333])
        >>> RetrievalReciprocalRank().compute(embeddings, **targets)
        tensor(0.8333)
    """

    @property
    def needs(self) -> Needs:
        """The rank of the nearest relevant candidate."""
        return Needs(first_rank=True)

    def ranking_values(self, ranking: Ranking) -> Tensor:
        """Return the reciprocal of the rank of the nearest relevant candidate."""
        return ranking.is_answered / ranking.first_rank.clamp(min=1)


def retrieval_reciprocal_rank(distance_matrix: Tensor, labels: Tensor) -> Tensor:
    """Return the reciprocal rank of the nearest relevant object of each query.

    Args:
        distance_matrix: Distances of Q queries from N objects, shape (Q, N); infinite where an
            object would find itself.
        labels: Relevant where above 0, shape (Q, N).

    Returns:
        Shape (Q,); 0 where nothing is relevant.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> import torch
        >>> distance_matrix = torch.tensor([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
        >>> retrieval_reciprocal_rank(distance_matrix, torch.tensor([[0, 1, 1], [0, 0, 0]]))
        tensor([0.5000, 0.0000])
    """
    return RetrievalReciprocalRank().query_values(distance_matrix, labels)
