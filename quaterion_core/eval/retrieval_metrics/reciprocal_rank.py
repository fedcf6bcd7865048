"""Mean reciprocal rank (MRR), with or without a cut-off."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.eval.base_metric import ReduceFunction
from quaterion_core.eval.ranking import Needs, Ranking, check_k
from quaterion_core.eval.retrieval_metrics.retrieval_metric import RetrievalMetric
from quaterion_core.utils.ranges import Count


class MeanReciprocalRank(RetrievalMetric):
    """Mean reciprocal rank (MRR): the mean of 1/rank of the nearest relevant object.

    With ``k``, MRR@k: 0 where that rank is above k. Of objects at the same distance, irrelevant
    ones count as nearer.

    Source: Voorhees, *The TREC-8 Question Answering Track Report* (1999), section 3; the measure
    ``recip_rank`` of trec_eval.

    Args:
        k: Number of nearest objects to consider; ``None`` for all.
        distance_metric_name: Distance by which candidates are ranked.
        reduce_func: Reduces the values of all queries that have a relevant object to one value; 0
            if there are none. ``None`` returns the values, in the order of the queries.

    Raises:
        ValueError: ``k`` is below 1.

    Example:
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.5, 0.5]])
        >>> groups = torch.tensor([1, 1, 2, 1])
        >>> MeanReciprocalRank(reduce_func=None).compute(embeddings, groups=groups)
        tensor([1.0000, 1.0000, 0.5000])
        >>> MeanReciprocalRank(k=1, reduce_func=None).compute(embeddings, groups=groups)
        tensor([1., 1., 0.])
    """

    def __init__(
        self,
        k: Count | None = None,
        distance_metric_name: Distance | str = Distance.COSINE,
        reduce_func: ReduceFunction | None = torch.mean,
    ):
        super().__init__(distance_metric_name, reduce_func)
        if k is not None:
            check_k(k)
        self.k = k

    @property
    def needs(self) -> Needs:
        """The rank of the nearest relevant candidate, or the k nearest."""
        return Needs(first_rank=True) if self.k is None else Needs(nearest=self.k)

    def ranking_values(self, ranking: Ranking) -> Tensor:
        """Return the reciprocal of the rank of the nearest relevant candidate."""
        if self.k is None:
            return ranking.is_answered / ranking.first_rank.clamp(min=1)
        hits = ranking.hits(self.k)
        reciprocal = 1 / torch.arange(1, hits.shape[1] + 1, device=hits.device)
        # The maximum is the first, and 0 stands for no hit.
        values = torch.nn.functional.pad(hits * reciprocal, (0, 1))
        return values.amax(dim=1)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this metric, as JSON values."""
        return {"k": self.k, **super().get_config_dict()}
