"""Intervals of means over queries, and paired tests of their differences.

Queries of one group are not independent of each other: then whole groups are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

SAMPLES: Final = 2000
"""Number of bootstrap samples."""

PERMUTATIONS: Final = 10_000
"""Number of random signs of the paired test."""

_AT_ONCE: Final = 250
_ENDS: Final = (0.025, 0.975)


class Clusters:
    """Queries by what is drawn together.

    Args:
        of_query: Number of the cluster of each of Q queries, shape (Q,), int64; ``None`` if each
            query is independent of all others.
        count: Q.

    Example:
        Three queries, of which the first two are of one group:

        >>> Clusters(torch.tensor([7, 7, 9]), 3).sums(torch.tensor([[1.0], [2.0], [5.0]]))
        tensor([[3.],
                [5.]], dtype=torch.float64)
    """

    def __init__(self, of_query: Tensor | None, count: int):
        members = torch.arange(count) if of_query is None else of_query
        _, self._members = torch.unique(members, return_inverse=True)
        self.count = int(self._members.max()) + 1 if count else 0

    def sums(self, values: Tensor) -> Tensor:
        """Return the sums of values (Q, M) in each of C clusters, shape (C, M), float64."""
        sums = torch.zeros(self.count, values.shape[1], dtype=torch.float64)
        return sums.index_add_(0, self._members, values.double())


def bootstrap_means(values: Tensor, clusters: Clusters) -> Tensor:
    """Return means of values in bootstrap samples of the clusters, the same for all columns.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3; of
    clusters: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8.

    Args:
        values: Values of Q queries, shape (Q, M); NaN where a query has none.
        clusters: Their clusters.

    Returns:
        Shape (:data:`SAMPLES`, M), float64.
    """
    sums = clusters.sums(values.nan_to_num(0.0))
    counts = clusters.sums((~values.isnan()).double())
    generator = torch.Generator().manual_seed(0)
    means = []
    for _ in range(0, SAMPLES, _AT_ONCE):
        drawn = torch.randint(clusters.count, (_AT_ONCE, clusters.count), generator=generator)
        weights = torch.zeros(_AT_ONCE, clusters.count, dtype=torch.float64)
        weights.scatter_add_(1, drawn, torch.ones_like(weights))
        means.append((weights @ sums) / (weights @ counts))
    return torch.cat(means)


def interval(means: Tensor) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of means of bootstrap samples, shape (B,).

    Returns:
        Its ends; ``None`` if most samples had no value.
    """
    known = means[~means.isnan()]
    if len(known) < len(means) / 2:
        return None
    low, high = torch.quantile(known, torch.tensor(_ENDS, dtype=known.dtype)).tolist()
    return round(low, 6), round(high, 6)


def randomization_p_values(differences: Tensor, clusters: Clusters) -> list[float]:
    """Return p values of the hypothesis that two models do not differ.

    The differences of a cluster get a random sign together, and the p value is the share of
    signs with which their sum is at least as far from 0 as the observed one.

    Source: Smucker, Allan and Carterette, A Comparison of Statistical Significance Tests for
    Information Retrieval Evaluation, CIKM 2007, section 3.2.

    Args:
        differences: Differences of the values of Q queries, shape (Q, M); NaN where there is none.
        clusters: Their clusters.

    Returns:
        M values, two-sided; at least 1 / (:data:`PERMUTATIONS` + 1).
    """
    sums = clusters.sums(differences.nan_to_num(0.0))
    observed = sums.sum(dim=0).abs()
    generator = torch.Generator().manual_seed(0)
    extreme = torch.zeros_like(observed)
    for _ in range(0, PERMUTATIONS, _AT_ONCE):
        signs = torch.randint(2, (_AT_ONCE, clusters.count), generator=generator)
        permuted = ((2.0 * signs - 1).double() @ sums).abs()
        extreme += (permuted >= observed * (1 - 1e-12)).sum(dim=0)
    return ((extreme + 1) / (PERMUTATIONS + 1)).tolist()


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of
    Statistics 6 (1979).

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda position: p_values[position])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, position in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[position]))
        corrected[position] = round(highest, 6)
    return corrected
