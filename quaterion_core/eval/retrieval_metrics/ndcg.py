"""Normalised discounted cumulative gain (NDCG@k)."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.eval.base_metric import ReduceFunction
from quaterion_core.eval.ranking import Ranking
from quaterion_core.eval.retrieval_metrics.retrieval_metric import RetrievalMetricAtK
from quaterion_core.utils.ranges import Count

Gain = Literal["linear", "exponential"]
"""How a label counts: as it is, or 2 to the power of it, minus 1."""


class NDCG(RetrievalMetricAtK):
    """NDCG@k: the discounted gain of the k nearest objects, relative to that of the best order.

    With the gain g_i of the i-th nearest object, 0 if it is not relevant, the value of a query is
    the discounted cumulative gain, divided by its value for the best order::

        DCG = Σ over i from 1 to k of g_i / log2(1 + i)

    The gain is the label of a pair, and 1 for objects of a group or subgroup. Of objects at the
    same distance, those with the lower gain count as nearer.

    Source: Järvelin, Kekäläinen, Cumulated Gain-Based Evaluation of IR Techniques, TOIS 20, 2002,
    with the discount of the measure ``ndcg_cut`` of trec_eval; exponential gains are those of
    Burges et al., Learning to Rank using Gradient Descent, ICML 2005, section 6.

    Args:
        k: Number of nearest objects to consider.
        gain: ``"linear"`` counts a label as it is, ``"exponential"`` as 2^label - 1.
        distance_metric_name: Distance by which candidates are ranked.
        reduce_func: Reduces the values of all queries that have a relevant object to one value; 0
            if there are none. ``None`` returns the values, in the order of the queries.

    Raises:
        ValueError: ``k`` is below 1, or there is no such gain.

    Example:
        One query, and two answers with the labels 1 and 3, of which the lower one is nearer:

        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2]])
        >>> targets = {
        ...     "labels": torch.tensor([1.0, 3.0]),
        ...     "pairs": torch.tensor([[0, 1], [0, 2]]),
        ...     "subgroups": torch.tensor([0, 0, 0]),
        ... }
        >>> NDCG(k=2, reduce_func=None).compute(embeddings, **targets)[0]
        tensor(0.7967)
        >>> NDCG(k=2, gain="exponential", reduce_func=None).compute(embeddings, **targets)[0]
        tensor(0.7098)
    """

    def __init__(
        self,
        k: Count = 10,
        gain: Gain = "linear",
        distance_metric_name: Distance | str = Distance.COSINE,
        reduce_func: ReduceFunction | None = torch.mean,
    ):
        super().__init__(k, distance_metric_name, reduce_func)
        if gain not in get_args(Gain):
            raise ValueError(f"Expected gain to be 'linear' or 'exponential', got {gain!r}.")
        self.gain = gain

    def ranking_values(self, ranking: Ranking) -> Tensor:
        """Return the discounted gain of the k nearest candidates, relative to the best order."""
        ideal = self._discounted(ranking.ideal_gains(self.k))
        values = self._discounted(ranking.gains[:, : self.k]) / ideal
        return values.masked_fill(ideal == 0, 0)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this metric, as JSON values."""
        return {**super().get_config_dict(), "gain": self.gain}

    def _discounted(self, gains: Tensor) -> Tensor:
        if self.gain == "exponential":
            gains = torch.exp2(gains) - 1
        discounts = torch.log2(torch.arange(2, gains.shape[1] + 2, device=gains.device))
        return (gains / discounts).sum(dim=1)
