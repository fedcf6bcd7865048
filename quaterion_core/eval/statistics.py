"""Uncertainty of metrics: bootstrap intervals, paired randomisation tests, Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import torch
from torch import Tensor

RESAMPLES: Final = 10_000
"""Number of resamples of bootstraps and of randomisation tests."""

_MAX_ELEMENTS: Final = 2**22
"""Maximum number of resampled values in memory at once."""

_ROUNDING: Final = 1e-9
"""Relative tolerance for equal sums in different orders."""


class Interval(NamedTuple):
    """A confidence interval, with both bounds included."""

    low: float
    high: float


def bootstrap_interval(
    values: Tensor,
    clusters: Tensor | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return the percentile bootstrap interval of a mean.

    Values, or whole clusters of them, are drawn with replacement; the bounds are quantiles of the
    means of such samples. Where all values are equal, so are the bounds: no resample can tell how
    rare other values are.

    Source: Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), section 13.3; for
    clusters: Field and Welsh, Bootstrapping Clustered Data, JRSS B 69, 2007, section 2.

    Args:
        values: Values of Q queries, shape (Q,).
        clusters: Numbers of the clusters of queries that are not independent of each other, such as
            those of one group, shape (Q,), int64; by default each query is independent.
        confidence: Confidence level, in (0, 1).
        resamples: Number of resamples.
        seed: Seed of the draws.

    Raises:
        ValueError: There are no values.

    Example:
        >>> interval = bootstrap_interval(torch.tensor([0.0, 1.0] * 200))
        >>> round(interval.low, 2), round(interval.high, 2)
        (0.45, 0.55)
    """
    if not len(values):
        raise ValueError("Expected at least one value, got none.")
    sums, counts = _by_cluster(values, clusters)
    means = torch.cat(
        [
            sums[drawn].sum(dim=1) / counts[drawn].sum(dim=1)
            for drawn in _draws(len(sums), resamples, seed)
        ]
    )
    return quantile_interval(means, confidence)


def bootstrap_statistic(
    statistic: Callable[[Tensor], float],
    size: int,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return the percentile bootstrap interval of any statistic of a sample.

    Args:
        statistic: Computes the statistic of the elements at some positions, shape (``size``,).
        size: Number of elements.
        confidence: Confidence level, in (0, 1).
        resamples: Number of resamples, each of which calls ``statistic``.
        seed: Seed of the draws.

    Raises:
        ValueError: There are no elements.

    Example:
        >>> scores = torch.arange(100.0)
        >>> interval = bootstrap_statistic(lambda drawn: float(scores[drawn].median()), 100)
        >>> interval.low < 49 < interval.high
        True
    """
    if not size:
        raise ValueError("Expected at least one element, got none.")
    found = [
        statistic(row) for drawn in _draws(size, resamples, seed) for row in drawn.unbind(dim=0)
    ]
    return quantile_interval(torch.tensor(found, dtype=torch.float64), confidence)


def randomization_test(
    differences: Tensor,
    clusters: Tensor | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> float:
    """Return the two-sided p-value of a paired randomisation test of a mean difference.

    If two models are equally good, each difference, or all those of a cluster together, could as
    well have the other sign. The p-value is the share of assignments of signs whose mean is at
    least as far from 0 as the observed one: of all assignments where there are at most
    ``resamples``, else of random ones and the observed one.

    Source: Smucker, Allan and Carterette, A Comparison of Statistical Significance Tests for
    Information Retrieval Evaluation, CIKM 2007, section 3.1.

    Args:
        differences: Value of one model minus that of the other for each of Q queries, shape (Q,).
        clusters: Numbers of the clusters of queries that are not independent, shape (Q,), int64.
        resamples: Number of random assignments.
        seed: Seed of the assignments.

    Example:
        >>> randomization_test(torch.ones(5))  # 2 of 32 assignments are as extreme
        0.0625
        >>> randomization_test(torch.tensor([1.0, -1.0]))
        1.0
    """
    sums, _ = _by_cluster(differences, clusters)
    sums = sums[sums != 0]
    observed = float(sums.sum().abs()) * (1 - _ROUNDING)
    if not len(sums) or not observed:
        return 1.0
    if 2 ** len(sums) <= resamples:
        numbers = torch.arange(2 ** len(sums)).unsqueeze(1)
        signs = 1 - 2 * ((numbers >> torch.arange(len(sums))) & 1).double()
        return float((signs @ sums).abs().ge(observed).double().mean())
    generator = torch.Generator().manual_seed(seed)
    extreme = 0
    for count in _counts(len(sums), resamples):
        signs = torch.randint(0, 2, (count, len(sums)), generator=generator, dtype=torch.int8)
        flipped = 2 * (signs.double() @ sums) - sums.sum()
        extreme += int((flipped.abs() >= observed).sum())
    return (extreme + 1) / (resamples + 1)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values adjusted for the number of tests by Holm's step-down method.

    The probability that any true null hypothesis has an adjusted p-value of at most α is at most α,
    whatever the dependence between the tests.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of
    Statistics 6, 1979.

    Args:
        p_values: P-values by the name of the test.

    Example:
        >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
        {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    adjusted: dict[str, float] = {}
    least = 0.0
    for number, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        least = max(least, min(1.0, (len(p_values) - number) * p_values[name]))
        adjusted[name] = least
    return {name: adjusted[name] for name in p_values}


def quantile_interval(values: Tensor, confidence: float) -> Interval:
    """Return the central interval that holds a share of the values, shape (R,)."""
    if not 0 < confidence < 1:
        raise ValueError(f"Expected confidence to be in (0, 1), got {confidence}.")
    ordered = values.sort().values
    # `torch.quantile` refuses more than 16 million values.
    tail = (1 - confidence) / 2
    places = [tail * (len(ordered) - 1), (1 - tail) * (len(ordered) - 1)]
    low, high = (
        float(torch.lerp(ordered[math.floor(p)], ordered[math.ceil(p)], p % 1)) for p in places
    )
    return Interval(low, high)


def _by_cluster(values: Tensor, clusters: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the sum and the number of the values of each cluster, in float64, on the CPU."""
    values = values.cpu().double()
    if clusters is None:
        return values, torch.ones_like(values)
    known, place = torch.unique(clusters.cpu(), return_inverse=True)
    sums = torch.zeros(len(known), dtype=torch.float64).index_add_(0, place, values)
    return sums, torch.bincount(place).double()


def _draws(size: int, resamples: int, seed: int) -> Iterator[Tensor]:
    """Yield positions that are drawn with replacement, (R, ``size``), in blocks."""
    generator = torch.Generator().manual_seed(seed)
    for count in _counts(size, resamples):
        yield torch.randint(0, size, (count, size), generator=generator)


def _counts(size: int, resamples: int) -> Iterator[int]:
    at_once = max(1, _MAX_ELEMENTS // max(1, size))
    for start in range(0, resamples, at_once):
        yield min(at_once, resamples - start)
