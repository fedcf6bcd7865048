"""ROC AUC of verification."""

from __future__ import annotations

from torch import Tensor

from quaterion_core.eval.pair.pair_score_metric import PairScoreMetric
from quaterion_core.eval.verification.verification_metric import (
    ScoredPairs,
    VerificationMetric,
    area_under_roc,
)


class RocAuc(VerificationMetric):
    """ROC AUC of verification over all pairs of objects, which match if both are in one group.

    The area under the receiver operating characteristic, which is the probability that two objects
    of one group are nearer than two of different groups. All pairs count the same, so that large
    groups count more than small ones. Ties count half. Guessing gives 0.5, and so do data where
    all pairs match or none.

    It is exact. Of the N (N - 1)/2 pairs, the distances of the matching ones are kept, 4 bytes
    each, and those of the others processed in blocks of 64 MiB.

    Source: Fawcett, An Introduction to ROC Analysis, Pattern Recognition Letters 27, 2006, section
    7.

    Args:
        distance_metric_name: Distance that the threshold applies to.

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0]])
        >>> # The pair of the first two is the nearest, that of the last two the fourth of six.
        >>> RocAuc().compute(embeddings, groups=torch.tensor([1, 1, 2, 2]))
        tensor(0.7500)
    """

    def value(self, pairs: ScoredPairs) -> Tensor:
        """Return :func:`~quaterion_core.eval.verification.area_under_roc`."""
        return area_under_roc(pairs)

    def of_histograms(self, matching: Tensor, others: Tensor) -> Tensor:
        """Return the area for each sample; pairs of one bin are tied."""
        below = others.cumsum(dim=1) - others / 2
        won = (matching * below).sum(dim=1)
        return won / (matching.sum(dim=1) * others.sum(dim=1))


class PairRocAuc(PairScoreMetric):
    """ROC AUC of verification over the given pairs.

    Like :class:`RocAuc`, over the pairs of a protocol, such as that of a face verification
    benchmark: a pair matches if its label is above 0. Ties count half. Guessing gives 0.5, and so
    do data where all pairs match or none.

    Args:
        distance_metric_name: Distance whose similarity is compared.

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
        >>> targets = {
        ...     "labels": torch.tensor([1.0, 0.0, 1.0]),
        ...     "pairs": torch.tensor([[0, 1], [0, 2], [0, 3]]),
        ...     "subgroups": torch.tensor([0, 0, 0, 0]),
        ... }
        >>> PairRocAuc().compute(embeddings, **targets)
        tensor(0.5000)
    """

    def score(self, similarities: Tensor, labels: Tensor) -> Tensor:
        """Return :func:`~quaterion_core.eval.verification.area_under_roc`."""
        return area_under_roc(lambda: [(similarities, labels > 0)])
