"""Quality of decisions about pairs at the best threshold: accuracy, F1 and MCC."""

from __future__ import annotations

import torch
from torch import Tensor

from quaterion_core.eval.verification.thresholds import PairThresholdMetric, ThresholdCounts


class PairAccuracy(PairThresholdMetric):
    """Accuracy of verification at the best threshold, over the given pairs.

    The largest share of pairs that one threshold decides correctly: accepted where the label is
    above 0, rejected elsewhere. It is at least the share of the more frequent kind. The threshold
    is chosen on the pairs themselves, so that the value is higher than that of a threshold that was
    chosen before.

    Source: Huang et al., Labeled Faces in the Wild, University of Massachusetts, 2007, section 4.

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
        >>> PairAccuracy().compute(embeddings, **targets)
        tensor(0.6667)
    """

    def of_counts(self, counts: ThresholdCounts) -> Tensor:
        """Return the highest accuracy of any threshold."""
        right = counts.true_accepts + (counts.others - counts.false_accepts)
        return right.max() / max(1, counts.matching + counts.others)


class PairF1(PairThresholdMetric):
    """F1 of verification at the best threshold, over the given pairs.

    The harmonic mean of precision and recall of accepted pairs, for the threshold where it is
    highest; 0 where no pair matches. The threshold is chosen on the pairs themselves.

    Source: Manning, Raghavan, Schütze, *Introduction to Information Retrieval* (2008), section 8.3.

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
        >>> PairF1().compute(embeddings, **targets)
        tensor(0.8000)
    """

    def of_counts(self, counts: ThresholdCounts) -> Tensor:
        """Return the highest F1 of any threshold."""
        return (2 * counts.true_accepts / (counts.accepts + max(1, counts.matching))).max()


class PairMCC(PairThresholdMetric):
    """Matthews correlation coefficient (MCC) at the best threshold, over the given pairs.

    The correlation of decision and label, for the threshold where it is highest. Unlike accuracy
    and F1, it does not reward accepting everything; 0 where all pairs match or none.

    Source: Matthews, Comparison of the Predicted and Observed Secondary Structure of T4 Phage
    Lysozyme, Biochimica et Biophysica Acta 405, 1975; Chicco, Jurman, The Advantages of the
    Matthews Correlation Coefficient, BMC Genomics 21, 2020.

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
        >>> PairMCC().compute(embeddings, **targets)
        tensor(0.5000)
    """

    def of_counts(self, counts: ThresholdCounts) -> Tensor:
        """Return the highest MCC of any threshold."""
        rejected = counts.matching + counts.others - counts.accepts
        covariance = counts.true_accepts * counts.others - counts.false_accepts * counts.matching
        spread = (counts.accepts * rejected * counts.matching * counts.others).sqrt()
        return torch.where(spread > 0, covariance / spread, 0.0).max()
