"""Bootstrap, randomisation test and Holm's correction agree with SciPy and with their promises."""

import numpy as np
import pytest
import torch
from scipy import stats

from quaterion_core.eval import statistics
from quaterion_core.eval.statistics import (
    bootstrap_interval,
    bootstrap_means,
    bootstrap_p_value,
    bootstrap_statistics,
    holm,
    quantile_interval,
    randomization_test,
)


def test_the_interval_is_that_of_scipy():
    values = np.random.default_rng(0).exponential(size=200)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(1)
    ).confidence_interval
    found = bootstrap_interval(torch.tensor(values), resamples=20_000)
    assert found == pytest.approx(tuple(expected), abs=0.01)


def test_the_interval_does_not_depend_on_the_size_of_blocks(monkeypatch):
    values = torch.rand(50, generator=torch.Generator().manual_seed(0))
    expected = bootstrap_interval(values, resamples=300)
    monkeypatch.setattr(statistics, "_MAX_ELEMENTS", 50 * 7)
    assert bootstrap_interval(values, resamples=300) == pytest.approx(expected)


def test_intervals_cover_the_true_mean_as_often_as_they_say():
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for number in range(300):
        values = (torch.rand(150, generator=generator) < 0.7).float()
        low, high = bootstrap_interval(values, resamples=400, seed=number)
        covered += low <= 0.7 <= high
    assert 0.91 <= covered / 300 <= 0.98


def test_intervals_over_clusters_cover_where_those_over_queries_do_not():
    generator = torch.Generator().manual_seed(0)
    clusters = torch.arange(40).repeat_interleave(10)
    covered = {"clusters": 0, "queries": 0}
    for number in range(200):
        values = torch.randn(40, generator=generator)[clusters]  # those of a cluster are equal
        for name, given in (("clusters", clusters), ("queries", None)):
            low, high = bootstrap_interval(values, given, resamples=300, seed=number)
            covered[name] += low <= 0 <= high
    assert covered["clusters"] / 200 >= 0.88
    assert covered["queries"] / 200 <= 0.6


def test_clusters_of_one_query_are_queries():
    values = torch.rand(30, generator=torch.Generator().manual_seed(0))
    assert bootstrap_interval(values, torch.arange(30)) == bootstrap_interval(values)


def test_any_statistic_has_an_interval():
    generator = np.random.default_rng(0)
    x = generator.normal(size=80)
    y = x + generator.normal(size=80)
    expected = stats.bootstrap(
        (x, y), lambda x, y: stats.spearmanr(x, y).statistic, paired=True, vectorized=False,
        method="percentile", n_resamples=1000, rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    found = bootstrap_statistics(
        lambda drawn: stats.spearmanr(x[drawn], y[drawn]).statistic, torch.arange(80)
    )
    assert quantile_interval(found) == pytest.approx(tuple(expected), abs=0.03)


def test_a_statistic_is_computed_of_whole_clusters():
    clusters = torch.tensor([7, 3, 7, 3, 3])
    drawn = []
    bootstrap_statistics(lambda rows: drawn.append(sorted(rows.tolist())) or 0.0, clusters)
    assert {tuple(rows) for rows in drawn} == {
        (0, 0, 2, 2), (0, 1, 2, 3, 4), (1, 1, 3, 3, 4, 4),
    }  # fmt: skip


def test_means_of_sums_are_ratios():
    values, counts = torch.tensor([1.0, 6.0]), torch.tensor([2, 8])
    assert set(bootstrap_means(values, counts=counts, resamples=50).tolist()) == {0.5, 0.7, 0.75}


def test_the_p_value_of_a_bootstrap_is_the_level_whose_interval_leaves_out_0():
    generator = torch.Generator().manual_seed(0)
    differences = torch.randn(9_999, generator=generator) + 2.0
    p_value = bootstrap_p_value(differences, 1000)
    assert p_value == pytest.approx(2 * stats.norm.sf(2.0), abs=0.005)
    assert quantile_interval(differences, 1 - 1.05 * p_value).low > 0
    assert quantile_interval(differences, 1 - 0.95 * p_value).low < 0
    assert bootstrap_p_value(torch.zeros(100), 50) == 1.0
    assert bootstrap_p_value(torch.ones(100), 4) == randomization_test(torch.ones(4))


@pytest.mark.parametrize("size", [9, 60], ids=["exact", "random"])
def test_p_values_are_those_of_scipy(size):
    differences = np.random.default_rng(2).normal(0.3, 1, size=size)
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=10_000,
        rng=np.random.default_rng(1),
    ).pvalue  # fmt: skip
    found = randomization_test(torch.tensor(differences))
    assert found == pytest.approx(expected, abs=1e-12 if size == 9 else 0.015)


def test_p_values_of_equal_models_are_uniform():
    generator = torch.Generator().manual_seed(0)
    found = [
        randomization_test(torch.randn(40, generator=generator), resamples=400, seed=number)
        for number in range(300)
    ]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_differences_of_a_cluster_change_signs_together():
    differences = torch.ones(100)
    assert randomization_test(differences) < 0.001
    assert randomization_test(differences, torch.arange(100) // 25) == 2 / 2**4


def test_models_without_a_difference_are_the_same():
    assert randomization_test(torch.zeros(20)) == 1.0
    assert randomization_test(torch.empty(0)) == 1.0


def test_corrected_p_values_keep_their_order():
    given = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.5}
    assert holm(given) == pytest.approx({"a": 0.04, "b": 0.09, "c": 0.09, "d": 0.5})
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}


def test_quantiles_are_interpolated():
    values = torch.rand(101, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = np.quantile(values.numpy(), [0.05, 0.95])
    assert quantile_interval(values, 0.9) == pytest.approx(tuple(expected))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_interval(torch.empty(0)), "at least one value"),
        (lambda: bootstrap_interval(torch.tensor([1.0, torch.nan])), "NaN for 1 of 2 queries"),
        (lambda: randomization_test(torch.tensor([torch.nan])), "NaN for 1 of 1 queries"),
        (lambda: bootstrap_statistics(lambda drawn: 0.0, torch.empty(0)), "at least one element"),
        (lambda: bootstrap_interval(torch.ones(3), confidence=95), r"in \(0, 1\), got 95"),
    ],
    ids=["no values", "NaN", "NaN differences", "no elements", "percent"],
)
def test_what_has_no_interval_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
