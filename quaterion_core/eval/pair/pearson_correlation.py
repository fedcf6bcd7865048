"""Pearson's correlation of similarities and labels."""

from __future__ import annotations

import torch
from torch import Tensor

from quaterion_core.eval.pair.pair_score_metric import PairScoreMetric


class PearsonCorrelation(PairScoreMetric):
    """Pearson's correlation of the similarities of pairs and their labels.

    It is 1 where the similarities are an increasing linear function of the labels, -1 where they
    are a decreasing one, and 0 without a linear relation or where all labels or all similarities
    are equal.

    Usual for semantic textual similarity, beside the correlation of ranks,
    :class:`~quaterion_core.eval.pair.SpearmanCorrelation`: Cer et al., SemEval-2017 Task 1,
    section 5.

    Args:
        distance_metric_name: Distance whose similarity is compared.

    Example:
        >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
        >>> targets = {
        ...     "labels": torch.tensor([5.0, 3.0, 0.0]),
        ...     "pairs": torch.tensor([[0, 1], [0, 2], [0, 3]]),
        ...     "subgroups": torch.tensor([0, 0, 0, 0]),
        ... }
        >>> PearsonCorrelation().compute(embeddings, **targets)  # of 1, 0.6, 0 and 5, 3, 0
        tensor(1.)
    """

    def score(self, similarities: Tensor, labels: Tensor) -> Tensor:
        """Return :func:`pearson_correlation`."""
        return pearson_correlation(similarities, labels)


def pearson_correlation(x: Tensor, y: Tensor) -> Tensor:
    """Return Pearson's correlation of two samples.

    Args:
        x: Shape (P,).
        y: Shape (P,).

    Returns:
        A float32 scalar, computed in float64; 0 where the values of either are all equal.

    Example:
        >>> pearson_correlation(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 3.0, 2.0]))
        tensor(0.5000)
    """
    if not len(x) or bool((x == x[0]).all()) or bool((y == y[0]).all()):
        return x.new_zeros((), dtype=torch.float32)
    # Not every device has float64.
    wide_x, wide_y = x.cpu().double(), y.cpu().double()
    centered_x, centered_y = wide_x - wide_x.mean(), wide_y - wide_y.mean()
    lengths = centered_x.norm() * centered_y.norm()
    correlation: Tensor = centered_x @ centered_y / lengths
    return correlation.clamp(-1, 1).to(x.device, torch.float32)
