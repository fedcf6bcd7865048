"""Average precision of verification."""

from __future__ import annotations

from torch import Tensor

from quaterion_core.eval.verification.thresholds import PairThresholdMetric, ThresholdCounts


class PairAveragePrecision(PairThresholdMetric):
    """Average precision of verification over the given pairs.

    With precision P_t and recall R_t of the pairs that the t-th highest threshold accepts, the area
    under the curve of both, in steps::

        Σ over t of (R_t - R_(t-1)) · P_t

    Pairs with the same similarity are accepted together. 0 where no pair matches.

    Source: Manning, Raghavan, Schütze, *Introduction to Information Retrieval* (2008), section 8.4;
    ``average_precision_score`` of scikit-learn.

    Args:
        distance_metric_name: Distance whose similarity is compared.

    Example:
        The similarities are 1, 0.6 and 0, of a match, another pair and a match:

        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
        >>> targets = {
        ...     "labels": torch.tensor([1.0, 0.0, 1.0]),
        ...     "pairs": torch.tensor([[0, 1], [0, 2], [0, 3]]),
        ...     "subgroups": torch.tensor([0, 0, 0, 0]),
        ... }
        >>> PairAveragePrecision().compute(embeddings, **targets)
        tensor(0.8333)
    """

    def of_counts(self, counts: ThresholdCounts) -> Tensor:
        """Return the average precision of all thresholds."""
        precisions = counts.true_accepts[1:] / counts.accepts[1:]
        return (counts.true_accepts.diff() * precisions).sum() / max(1, counts.matching)
