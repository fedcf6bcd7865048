"""Hit rate@k."""

from __future__ import annotations

from torch import Tensor

from quaterion_core.eval.ranking import Ranking
from quaterion_core.eval.retrieval_metrics.retrieval_metric import RetrievalMetricAtK


class HitRate(RetrievalMetricAtK):
    """Hit rate@k: the share of queries that find something relevant in the k nearest objects.

    Also called success@k, and recall@k by work on image retrieval
    (:class:`~quaterion_core.eval.RecallAtK`). Of objects at the same distance, irrelevant ones
    count as nearer.

    Source: Jégou, Douze, Schmid, Product Quantization for Nearest Neighbor Search, TPAMI 2011,
    section 5; the measure ``success`` of trec_eval.

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
        >>> HitRate(k=1, reduce_func=None).compute(embeddings, groups=groups)
        tensor([1., 1., 0.])
    """

    def ranking_values(self, ranking: Ranking) -> Tensor:
        """Return 1 for each query with a hit among the k nearest, else 0."""
        return ranking.hits(self.k).any(dim=1).float()
