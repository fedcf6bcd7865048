"""Counts of right and wrong decisions about pairs, for each threshold."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from quaterion_core.eval.pair.pair_score_metric import PairScoreMetric


@dataclass(frozen=True)
class ThresholdCounts:
    """Counts for the thresholds that tell pairs apart: a pair is accepted at or above one.

    Attributes:
        thresholds: Distinct scores, descending, behind infinity, which accepts nothing, shape (T,).
        true_accepts: Number of accepted pairs that match, shape (T,), float64.
        false_accepts: Number of accepted pairs that do not match, shape (T,), float64.
        matching: Number of all pairs that match.
        others: Number of all pairs that do not match.
    """

    thresholds: Tensor
    true_accepts: Tensor
    false_accepts: Tensor
    matching: int
    others: int

    @property
    def accepts(self) -> Tensor:
        """Number of accepted pairs, shape (T,), float64."""
        return self.true_accepts + self.false_accepts


def threshold_counts(scores: Tensor, is_match: Tensor) -> ThresholdCounts:
    """Count decisions for each threshold.

    Args:
        scores: The higher, the more similar, shape (P,).
        is_match: Whether the pairs match, shape (P,), bool.

    Returns:
        Counts on the CPU, since not every device has float64.

    Example:
        >>> counts = threshold_counts(
        ...     torch.tensor([0.5, 0.9, 0.5]), torch.tensor([False, True, True])
        ... )
        >>> counts.thresholds
        tensor([   inf, 0.9000, 0.5000])
        >>> counts.true_accepts, counts.false_accepts
        (tensor([0., 1., 2.], dtype=torch.float64), tensor([0., 0., 1.], dtype=torch.float64))
    """
    order = scores.cpu().argsort(descending=True, stable=True)
    ordered, matches = scores.cpu()[order], is_match.cpu()[order].double()
    is_last = torch.ones_like(ordered, dtype=torch.bool)
    is_last[:-1] = ordered[1:] != ordered[:-1]
    accepted = matches.cumsum(0)[is_last]
    rejected = (1 - matches).cumsum(0)[is_last]
    nothing = accepted.new_zeros(1)
    matching = int(matches.sum())
    return ThresholdCounts(
        torch.cat([ordered.new_full((1,), torch.inf), ordered[is_last]]),
        torch.cat([nothing, accepted]),
        torch.cat([nothing, rejected]),
        matching,
        len(matches) - matching,
    )


class PairThresholdMetric(PairScoreMetric):
    """Metric of decisions about the given pairs, which match if their label is above 0.

    A subclass defines :meth:`of_counts`.

    Args:
        distance_metric_name: Distance whose similarity is compared.
    """

    @abstractmethod
    def of_counts(self, counts: ThresholdCounts) -> Tensor:
        """Return the value, a scalar, given the counts for all thresholds."""

    def score(self, similarities: Tensor, labels: Tensor) -> Tensor:
        """Return :meth:`of_counts`, as a float32 scalar."""
        value = self.of_counts(threshold_counts(similarities, labels > 0))
        return value.to(similarities.device, torch.float32)
