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
    """The probability that two objects of one group are nearer than two of different groups.

    It is the area under the receiver operating characteristic of telling, by a threshold of the
    distance, whether two objects are of one group. All pairs of objects count alike, so a large
    group counts more than a small one. Equal distances count half; 0.5 is what guessing gives, and
    what there is to say if all pairs match or none.

    It is exact. Of the N (N - 1)/2 pairs, the distances of the matching ones are kept, 4 bytes
    each, and those of the others looked at in blocks of 64 MiB.

    Source: Fawcett, An Introduction to ROC Analysis, Pattern Recognition Letters 27, 2006, section
    7.

    Args:
        distance_metric_name: The distance whose threshold is looked at.

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


class PairRocAuc(PairScoreMetric):
    """The probability that a pair that matches is more similar than one that does not.

    The same figure as :class:`RocAuc`, over stated pairs, such as the protocol of a benchmark of
    face verification: a pair matches if its label is above 0. Equal similarities count half; 0.5
    is what guessing gives, and what there is to say if all pairs match or none.

    Args:
        distance_metric_name: The distance whose similarity is compared.

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
