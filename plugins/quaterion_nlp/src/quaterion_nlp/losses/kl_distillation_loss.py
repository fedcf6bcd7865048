"""KL distillation loss: divergence from a teacher's distribution over the documents of a query."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.utils.ranges import PositiveFloat
from quaterion_nlp.losses.distillation_loss import DistillationLoss, sum_by_query


class KLDistillationLoss(DistillationLoss):
    """Kullback–Leibler divergence from a teacher's distribution over the documents of a query.

    With the model's scores s and the teacher's t of a query's pairs, and T for the temperature::

        T² KL( softmax(t / T) ‖ softmax(s / T) )

    averaged over the queries of the batch. The factor T² keeps the size of the gradient independent
    of the temperature.

    The label of a pair is the teacher's score, and its subgroup identifies the query. Pairs without
    a subgroup, or alone in their subgroup, are ignored, and their queries do not count.

    Source: Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, section 2,
    over the documents of a query, as in Santhanam et al., ColBERTv2, NAACL 2022, section 3.2.

    Args:
        temperature: Temperature T. High values soften both distributions.
        scale: Factor of the similarities. Dot products of long embeddings can reach a teacher's
            scores without a factor; cosines, between -1 and 1, need one.
        distance_metric_name: Distance whose similarity is the score of the model.

    Raises:
        ValueError: ``temperature`` or ``scale`` is not positive.

    Example:
        >>> import torch
        >>> query, relevant, other = [1.0, 2.0], [3.0, 1.0], [1.0, 2.0]
        >>> embeddings = torch.tensor([query, query, relevant, other])
        >>> pairs, subgroups = torch.tensor([[0, 2], [1, 3]]), torch.tensor([7, 7, 7, 7])
        >>> teacher_scores = torch.tensor([6.0, 6.0]) + torch.tensor([3.0, 1.0]).log()
        >>> # 0.75 log(0.75/0.5) + 0.25 log(0.25/0.5)
        >>> KLDistillationLoss()(embeddings, pairs, teacher_scores, subgroups)
        tensor(0.1308)
    """

    def __init__(
        self,
        temperature: PositiveFloat = 1.0,
        scale: PositiveFloat = 1.0,
        distance_metric_name: Distance | str = Distance.DOT_PRODUCT,
    ):
        super().__init__(scale, distance_metric_name)
        if temperature <= 0:
            raise ValueError(f"Expected temperature to be positive, got {temperature}.")
        self.temperature = temperature

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {**super().get_config_dict(), "temperature": self.temperature}

    def query_loss(
        self, scores: Tensor, teacher_scores: Tensor, queries: Tensor, pair_counts: Tensor
    ) -> Tensor:
        """Return the mean over queries."""
        student = _log_softmax(scores / self.temperature, queries, len(pair_counts))
        teacher = _log_softmax(teacher_scores / self.temperature, queries, len(pair_counts))
        divergences = (teacher.exp() * (teacher - student)).sum()
        return self.temperature**2 * divergences / len(pair_counts)


def _log_softmax(logits: Tensor, queries: Tensor, query_count: int) -> Tensor:
    """Return the logarithm of the softmax within each query: (M,) and (M,) to (M,)."""
    highest = logits.new_full((query_count,), -math.inf)
    highest = highest.scatter_reduce(0, queries, logits.detach(), "amax")
    below_highest = logits - highest[queries]
    return below_highest - sum_by_query(below_highest.exp(), queries, query_count).log()[queries]
