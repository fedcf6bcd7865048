"""TAR@FAR of verification."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.eval.pair.pair_score_metric import PairScoreMetric
from quaterion_core.eval.verification.verification_metric import (
    ScoredPairs,
    VerificationMetric,
    true_accept_rate,
)
from quaterion_core.utils.ranges import Fraction


class TarAtFar(VerificationMetric):
    """TAR@FAR over all pairs: the share of matching pairs accepted at a false accept rate.

    Two objects are accepted as matching if their distance is below a threshold: the highest one at
    which at most the share ``far`` of all pairs of different groups is accepted. With fewer than
    ``1/far`` such pairs, none of them may be accepted; use data with several times as many.

    It is exact. Of the N (N - 1)/2 pairs, the distances of the matching ones are kept, 4 bytes
    each, and of the others those that may be accepted; the rest is processed in blocks of 64 MiB.

    Source: Klare et al., Pushing the Frontiers of Unconstrained Face Detection and Recognition:
    IARPA Janus Benchmark A, CVPR 2015, section 4.1.

    Args:
        far: The false accept rate, in [0, 1].
        distance_metric_name: Distance that the threshold applies to.

    Raises:
        ValueError: ``far`` is not in [0, 1].

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0]])
        >>> # The second pair of one group is further apart than two of the four of different ones.
        >>> TarAtFar(far=0.1).compute(embeddings, groups=torch.tensor([1, 1, 2, 2]))
        tensor(0.5000)
        >>> TarAtFar(far=0.5).compute(embeddings, groups=torch.tensor([1, 1, 2, 2]))
        tensor(1.)
    """

    def __init__(
        self, far: Fraction = 0.001, distance_metric_name: Distance | str = Distance.COSINE
    ):
        super().__init__(distance_metric_name)
        _check_rate(far)
        self.far = far

    def value(self, pairs: ScoredPairs) -> Tensor:
        """Return :func:`~quaterion_core.eval.verification.true_accept_rate`."""
        return true_accept_rate(pairs, self.far)

    def of_histograms(self, matching: Tensor, others: Tensor) -> Tensor:
        """Return the share for each sample; pairs of one bin are accepted together."""
        is_accepted = _at_or_above(others) <= self.far * others.sum(dim=1, keepdim=True)
        return (matching * is_accepted).sum(dim=1) / matching.sum(dim=1)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this metric, as JSON values."""
        return {"far": self.far, **super().get_config_dict()}


class PairTarAtFar(PairScoreMetric):
    """TAR@FAR over the given pairs.

    Like :class:`TarAtFar`, over the given pairs: a pair matches if its label is above 0.

    Args:
        far: The false accept rate, in [0, 1].
        distance_metric_name: Distance whose similarity is compared.

    Raises:
        ValueError: ``far`` is not in [0, 1].

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
        >>> targets = {
        ...     "labels": torch.tensor([1.0, 0.0, 1.0]),
        ...     "pairs": torch.tensor([[0, 1], [0, 2], [0, 3]]),
        ...     "subgroups": torch.tensor([0, 0, 0, 0]),
        ... }
        >>> PairTarAtFar(far=0.1).compute(embeddings, **targets)
        tensor(0.5000)
    """

    def __init__(
        self, far: Fraction = 0.001, distance_metric_name: Distance | str = Distance.COSINE
    ):
        super().__init__(distance_metric_name)
        _check_rate(far)
        self.far = far

    def score(self, similarities: Tensor, labels: Tensor) -> Tensor:
        """Return :func:`~quaterion_core.eval.verification.true_accept_rate`."""
        return true_accept_rate(lambda: [(similarities, labels > 0)], self.far)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this metric, as JSON values."""
        return {"far": self.far, **super().get_config_dict()}


def _check_rate(far: Fraction) -> None:
    if not 0 <= far <= 1:
        raise ValueError(f"Expected far, the false accept rate, to be in [0, 1], got {far}.")


def _at_or_above(counts: Tensor) -> Tensor:
    """Return the number of pairs in each bin and those of higher scores, (R, B)."""
    return counts.flip(1).cumsum(dim=1).flip(1)
