"""Mean average precision (MAP)."""

from __future__ import annotations

import torch
from torch import Tensor

from quaterion_core.eval.ranking import Needs, Ranking
from quaterion_core.eval.retrieval_metrics.retrieval_metric import RetrievalMetric


class MeanAveragePrecision(RetrievalMetric):
    """Mean average precision (MAP): the mean precision at the ranks of all relevant objects.

    With ranks r_1 < ... < r_R of the R relevant objects, the value of a query is::

        1/R Σ over j from 1 to R of j/r_j

    All objects are ranked, however far. Of objects at the same distance, irrelevant ones count as
    nearer.

    Source: Manning, Raghavan, Schütze, *Introduction to Information Retrieval* (2008), section 8.4,
    equation 8.8; the measure ``map`` of trec_eval.

    Args:
        distance_metric_name: Distance by which candidates are ranked.
        reduce_func: Reduces the values of all queries that have a relevant object to one value; 0
            if there are none. ``None`` returns the values, in the order of the queries.

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.5, 0.5]])
        >>> # To the last one, the nearest are the third, which is in another group, and the second.
        >>> groups = torch.tensor([1, 1, 2, 1])
        >>> MeanAveragePrecision(reduce_func=None).compute(embeddings, groups=groups)
        tensor([0.8333, 0.8333, 0.5833])
    """

    @property
    def needs(self) -> Needs:
        """The ranks of all relevant candidates."""
        return Needs(all_ranks=True)

    def ranking_values(self, ranking: Ranking) -> Tensor:
        """Return the mean precision at the ranks of the relevant candidates."""
        ranks = ranking.ranks
        places = torch.arange(1, ranks.shape[1] + 1, device=ranks.device)
        precisions = torch.where(ranks > 0, places / ranks.clamp(min=1), 0.0)
        return precisions.sum(dim=1) / ranking.relevant_count.clamp(min=1)
