"""Recall@k."""

from __future__ import annotations

from torch import Tensor

from quaterion_core.eval.ranking import Ranking
from quaterion_core.eval.retrieval_metrics.retrieval_metric import RetrievalMetricAtK


class Recall(RetrievalMetricAtK):
    """Recall@k: the share of the relevant objects that are among the k nearest.

    With one relevant object, it is the hit rate; with more than k, it is below 1 even for a perfect
    model. Of objects at the same distance, irrelevant ones count as nearer.

    Source: Manning, Raghavan, Schütze, *Introduction to Information Retrieval* (2008), section 8.4;
    the measure ``recall`` of trec_eval.

    Args:
        k: Number of nearest objects to consider.
        distance_metric_name: Distance by which candidates are ranked.
        reduce_func: Reduces the values of all queries that have a relevant object to one value; 0
            if there are none. ``None`` returns the values, in the order of the queries.

    Raises:
        ValueError: ``k`` is below 1.

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.5, 0.5]])
        >>> # To the last one, the nearest are the third, which is in another group, and the second.
        >>> groups = torch.tensor([1, 1, 2, 1])
        >>> Recall(k=1, reduce_func=None).compute(embeddings, groups=groups)
        tensor([0.5000, 0.5000, 0.0000])
    """

    def ranking_values(self, ranking: Ranking) -> Tensor:
        """Return the share of the relevant candidates among the k nearest."""
        return ranking.hits(self.k).sum(dim=1) / ranking.relevant_count.clamp(min=1)
