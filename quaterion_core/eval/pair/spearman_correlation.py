"""Spearman's rank correlation of similarities and labels."""

from __future__ import annotations

import torch
from torch import Tensor

from quaterion_core.eval.pair.pair_score_metric import PairScoreMetric
from quaterion_core.eval.pair.pearson_correlation import pearson_correlation


class SpearmanCorrelation(PairScoreMetric):
    """Spearman's rank correlation of the similarities of pairs and their labels.

    Pearson's correlation of the ranks, where equal values share their mean rank: 1 where the order
    is the same, -1 where it is reversed, 0 without a relation or where all labels or all
    similarities are equal.

    The main figure for semantic textual similarity: Reimers, Beyer, Gurevych, Task-Oriented
    Intrinsic Evaluation of Semantic Textual Similarity, COLING 2016; Spearman, The Proof and
    Measurement of Association between Two Things, 1904.

    Args:
        distance_metric_name: Distance whose similarity is compared.

    Example:
        >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
        >>> targets = {
        ...     "labels": torch.tensor([3.0, 5.0, 0.0]),
        ...     "pairs": torch.tensor([[0, 1], [0, 2], [0, 3]]),
        ...     "subgroups": torch.tensor([0, 0, 0, 0]),
        ... }
        >>> SpearmanCorrelation().compute(embeddings, **targets)  # of ranks 3, 2, 1 and 2, 3, 1
        tensor(0.5000)
    """

    def score(self, similarities: Tensor, labels: Tensor) -> Tensor:
        """Return :func:`spearman_correlation`."""
        return spearman_correlation(similarities, labels)


def spearman_correlation(x: Tensor, y: Tensor) -> Tensor:
    """Return Spearman's rank correlation of two samples.

    Args:
        x: Shape (P,).
        y: Shape (P,).

    Returns:
        A float32 scalar; 0 where the values of either are all equal.

    Example:
        >>> spearman_correlation(torch.tensor([1.0, 2.0, 9.0]), torch.tensor([1.0, 3.0, 2.0]))
        tensor(0.5000)
    """
    return pearson_correlation(mean_ranks(x), mean_ranks(y))


def mean_ranks(values: Tensor) -> Tensor:
    """Return the rank of each value, counted from 1; equal ones share the mean of theirs.

    Args:
        values: Shape (P,).

    Returns:
        Shape (P,), float64, on the CPU: not every device has it.

    Example:
        >>> mean_ranks(torch.tensor([0.5, 0.1, 0.5]))
        tensor([2.5000, 1.0000, 2.5000], dtype=torch.float64)
    """
    _, places, counts = torch.unique(values.cpu(), return_inverse=True, return_counts=True)
    last = counts.cumsum(0)
    ranks: Tensor = last.double() - (counts - 1).double() / 2
    return ranks[places]
