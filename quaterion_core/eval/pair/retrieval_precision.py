"""Precision@k."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.eval.base_metric import ReduceFunction
from quaterion_core.eval.pair.pair_metric import PairMetric
from quaterion_core.eval.ranking import Needs, Ranking, check_k
from quaterion_core.utils.ranges import Count


class RetrievalPrecision(PairMetric):
    """Precision@k: the share of relevant objects among the k nearest.

    Relevant to a query are its partners, as :class:`PairMetric` says; with one partner, the best
    value is 1/k. Of objects at the same distance, irrelevant ones count as nearer. An object
    without anything relevant, such as one that is only in pairs with the label 0, is a candidate
    but not a query.

    Manning, Raghavan and Schütze, *Introduction to Information Retrieval* (2008), section 8.4.

    Args:
        k: Number of nearest objects to consider; where there are fewer, the others are misses.
        distance_metric_name: Distance by which candidates are ranked.
        reduce_func: Reduces the values of all queries that have a relevant object to one value; 0
            if there are none. ``None`` returns the values, in the order of the queries.

    Raises:
        ValueError: ``k`` is below 1.

    Example:
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.9, 0.2]])
        >>> targets = {
        ...     "labels": torch.ones(2),
        ...     "pairs": torch.tensor([[0, 2], [1, 3]]),
        ...     "subgroups": torch.tensor([0, 1, 0, 1]),
        ... }
        >>> RetrievalPrecision(k=1, reduce_func=None).compute(embeddings, **targets)
        tensor([1., 1., 1., 0.])
        >>> RetrievalPrecision(k=1).compute(embeddings, **targets)
        tensor(0.7500)
    """

    def __init__(
        self,
        k: Count = 1,
        distance_metric_name: Distance | str = Distance.COSINE,
        reduce_func: ReduceFunction | None = torch.mean,
    ):
        super().__init__(distance_metric_name, reduce_func)
        check_k(k)
        self.k = k

    @property
    def needs(self) -> Needs:
        """The k nearest candidates."""
        return Needs(nearest=self.k)

    def ranking_values(self, ranking: Ranking) -> Tensor:
        """Return the share of relevant ones among the k nearest."""
        return ranking.hits(self.k).sum(dim=1) / self.k

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this metric, as JSON values."""
        return {"k": self.k, **super().get_config_dict()}


def retrieval_precision(distance_matrix: Tensor, labels: Tensor, k: int) -> Tensor:
    """Return the precision@k of each query.

    Args:
        distance_matrix: Distances of Q queries from N objects, shape (Q, N); infinite where an
            object would find itself.
        labels: Relevant where above 0, shape (Q, N).
        k: Number of nearest objects to consider; where there are fewer, the others are misses.

    Returns:
        Shape (Q,); 0 where nothing is relevant.

    Raises:
        ValueError: The shapes differ, or ``k`` is below 1.

    Example:
        >>> distance_matrix = torch.tensor([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
        >>> retrieval_precision(distance_matrix, torch.tensor([[1, 1, 0], [0, 1, 0]]), k=2)
        tensor([1.0000, 0.5000])
    """
    return RetrievalPrecision(k).query_values(distance_matrix, labels)
