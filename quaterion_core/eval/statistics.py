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

    def rounded(self) -> Interval:
        """Return the interval as it is reported, with six digits."""
        return Interval(rounded(self.low), rounded(self.high))


def rounded(value: float | Tensor) -> float:
    """Return a figure as it is reported, with six digits."""
    return round(float(value), 6)


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
    rare other values are. The same holds for a single cluster.

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
        ValueError: There are no values, or some are NaN.

    Example:
        >>> interval = bootstrap_interval(torch.tensor([0.0, 1.0] * 200))
        >>> round(interval.low, 2), round(interval.high, 2)
        (0.45, 0.55)
    """
    means = bootstrap_means(values, clusters, resamples=resamples, seed=seed)
    return quantile_interval(means, confidence)


def bootstrap_means(
    values: Tensor,
    clusters: Tensor | None = None,
    counts: Tensor | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Tensor:
    """Return the means of bootstrap samples, shape (R,), float64.

    Args:
        values: Values, or sums of several values, shape (Q,).
        clusters: Numbers of the clusters that are drawn, as for :func:`bootstrap_interval`.
        counts: Number of values in each sum, shape (Q,); by default 1.
        resamples: Number of resamples, R.
        seed: Seed of the draws.

    Returns:
        A mean is NaN where no value was drawn.

    Raises:
        ValueError: There are no values, or some are NaN.

    Example:
        >>> bootstrap_means(torch.tensor([2.0, 2.0]), counts=torch.tensor([4, 4]), resamples=3)
        tensor([0.5000, 0.5000, 0.5000], dtype=torch.float64)
    """
    if not len(values):
        raise ValueError("Expected at least one value, got none.")
    counts = torch.ones(len(values)) if counts is None else counts
    sums, sizes = _by_cluster(values, clusters), _by_cluster(counts, clusters)
    return torch.cat(
        [
            sums[drawn].sum(dim=1) / sizes[drawn].sum(dim=1)
            for drawn in _draws(len(sums), resamples, seed)
        ]
    )


def bootstrap_statistics(
    statistic: Callable[[Tensor], float],
    clusters: Tensor,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Tensor:
    """Return any statistic of bootstrap samples, shape (R,), float64.

    Args:
        statistic: Computes the statistic of the elements at some positions, an int64 tensor.
        clusters: Numbers of the clusters of the elements, which are drawn whole, shape (N,), int64;
            ``torch.arange(N)`` where the elements are independent.
        resamples: Number of resamples, R, each of which calls ``statistic``.
        seed: Seed of the draws.

    Raises:
        ValueError: There are no elements.

    Example:
        >>> scores = torch.arange(100.0)
        >>> medians = bootstrap_statistics(lambda drawn: float(scores[drawn].median()),
        ...     torch.arange(100))
        >>> low, high = quantile_interval(medians)
        >>> low < 49 < high
        True
    """
    if not len(clusters):
        raise ValueError("Expected at least one element, got none.")
    _, number = torch.unique(clusters.cpu(), return_inverse=True)
    by_cluster = torch.split(number.argsort(stable=True), torch.bincount(number).tolist())
    found = [
        statistic(torch.cat([by_cluster[cluster] for cluster in row]))
        for drawn in _draws(len(by_cluster), resamples, seed)
        for row in drawn.tolist()
    ]
    return torch.tensor(found, dtype=torch.float64)


def bootstrap_p_value(differences: Tensor, clusters: int) -> float:
    """Return the two-sided p-value of a difference, given those of bootstrap samples.

    It is the lowest significance level whose percentile interval leaves out 0, but not less than
    the lowest one that a randomisation test of as many clusters can have: samples of few clusters
    vary less than new data would.

    Source: Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), section 15.4.

    Args:
        differences: Shape (R,).
        clusters: Number of clusters that were drawn.

    Example:
        >>> differences = torch.tensor([0.1, 0.2, -0.1] + [0.3] * 96)
        >>> bootstrap_p_value(differences, clusters=100), bootstrap_p_value(differences, clusters=3)
        (0.04, 0.25)
    """
    below, above = (differences <= 0).sum(), (differences >= 0).sum()
    level = 2 * (int(torch.minimum(below, above)) + 1) / (len(differences) + 1)
    return min(1.0, max(level, 2.0 ** (1 - clusters)))


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

    Raises:
        ValueError: Some differences are NaN.

    Example:
        >>> randomization_test(torch.ones(5))  # 2 of 32 assignments are as extreme
        0.0625
        >>> randomization_test(torch.tensor([1.0, -1.0]))
        1.0
    """
    sums = _by_cluster(differences, clusters)
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


def quantile_interval(values: Tensor, confidence: float = 0.95) -> Interval:
    """Return the central interval that holds a share of the values, shape (R,).

    Raises:
        ValueError: ``confidence`` is not in (0, 1).
    """
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


def _by_cluster(values: Tensor, clusters: Tensor | None) -> Tensor:
    """Return the sum of the values of each cluster, in float64, on the CPU."""
    values = values.cpu().double()
    if missing := int(values.isnan().sum()):
        raise ValueError(
            f"Expected numbers, got NaN for {missing:,} of {len(values):,} queries. Leave out "
            "queries that have no relevant object."
        )
    if clusters is None:
        return values
    known, place = torch.unique(clusters.cpu(), return_inverse=True)
    return torch.zeros(len(known), dtype=torch.float64).index_add_(0, place, values)


def _draws(size: int, resamples: int, seed: int) -> Iterator[Tensor]:
    """Yield positions that are drawn with replacement, (R, ``size``), in blocks."""
    generator = torch.Generator().manual_seed(seed)
    for count in _counts(size, resamples):
        yield torch.randint(0, size, (count, size), generator=generator)


def _counts(size: int, resamples: int) -> Iterator[int]:
    at_once = max(1, _MAX_ELEMENTS // max(1, size))
    for start in range(0, resamples, at_once):
        yield min(at_once, resamples - start)
