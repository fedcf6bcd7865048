"""Recall@k of image retrieval (hit rate@k)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.eval.base_metric import ReduceFunction
from quaterion_core.eval.group.group_metric import GroupMetric
from quaterion_core.eval.ranking import Needs, Ranking, check_k
from quaterion_core.utils.ranges import Count


class RecallAtK(GroupMetric):
    """Recall@k of image retrieval: the share of queries that find their group in the k nearest.

    A query counts 1 if at least one of the k nearest objects is in its group, and 0 otherwise. The
    only object of a group is not a query. Of objects at the same distance, those of other groups
    count as nearer. Information retrieval calls this hit rate@k or success@k; its recall@k is the
    share of all relevant objects that are found.

    Source: Jégou, Douze, Schmid, Product Quantization for Nearest Neighbor Search, TPAMI 2011,
    section 5; Oh Song et al., Deep Metric Learning via Lifted Structured Feature Embedding, CVPR
    2016, section 6.

    Args:
        k: Number of nearest objects to consider.
        distance_metric_name: Distance by which candidates are ranked.
        reduce_func: Reduces the values of all queries that have a relevant object to one value; 0
            if there are none. ``None`` returns the values, in the order of the queries.

    Raises:
        ValueError: ``k`` is below 1.

    Example:
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.5, 0.5], [0.0, 1.0]])
        >>> RecallAtK(k=1, reduce_func=None).compute(embeddings, groups=torch.tensor([1, 2, 2, 1]))
        tensor([0., 0., 1., 0.])
        >>> RecallAtK(k=2).compute(embeddings, groups=torch.tensor([1, 2, 2, 1]))
        tensor(0.5000)
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
        """Return 1 for each query that finds its group in the k nearest."""
        return ranking.hits(self.k).any(dim=1).to(ranking.gains.dtype)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this metric, as JSON values."""
        return {"k": self.k, **super().get_config_dict()}


def recall_at_k(distance_matrix: Tensor, labels: Tensor, k: int) -> Tensor:
    """Return the recall@k of each query: 1 if something relevant is among the k nearest, else 0.

    Args:
        distance_matrix: Distances of Q queries from N objects, shape (Q, N); infinite where an
            object would find itself.
        labels: Relevant where above 0, shape (Q, N).
        k: Number of nearest objects to consider.

    Returns:
        Shape (Q,); 0 where nothing is relevant.

    Raises:
        ValueError: The shapes differ, or ``k`` is below 1.

    Example:
        >>> distance_matrix = torch.tensor([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
        >>> recall_at_k(distance_matrix, torch.tensor([[0, 1, 1], [0, 0, 1]]), k=2)
        tensor([1., 0.])
    """
    return RecallAtK(k).query_values(distance_matrix, labels)
