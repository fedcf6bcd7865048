"""Tests of intervals and paired tests, against SciPy and identities."""

import numpy as np
import pytest
import torch
from scipy import stats

from quaterion_report.statistics import (
    Clusters,
    bootstrap_means,
    holm,
    interval,
    randomization_p_values,
)


def values(count=300, columns=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, columns, generator=generator, dtype=torch.float64).square()


def test_intervals_are_those_of_scipy():
    given = values()
    means = bootstrap_means(given, Clusters(None, len(given)))
    for column in range(given.shape[1]):
        expected = stats.bootstrap(
            (given[:, column].numpy(),), np.mean, method="percentile", n_resamples=5000,
            rng=np.random.default_rng(1),
        ).confidence_interval  # fmt: skip
        found = interval(means[:, column])
        width = expected.high - expected.low
        assert found == pytest.approx(tuple(expected), abs=0.08 * width)


def test_queries_of_a_group_are_drawn_together():
    """Copies of each value in a cluster give the interval of the values without copies."""
    given = values(60, 1)
    copied = given.repeat_interleave(5, dim=0)
    clusters = torch.arange(60).repeat_interleave(5)
    alone = interval(bootstrap_means(given, Clusters(None, 60))[:, 0])
    together = interval(bootstrap_means(copied, Clusters(clusters, 300))[:, 0])
    assert together == pytest.approx(alone, abs=1e-6)
    as_if_independent = interval(bootstrap_means(copied, Clusters(None, 300))[:, 0])
    assert as_if_independent[1] - as_if_independent[0] < 0.6 * (together[1] - together[0])


def test_queries_without_a_value_do_not_count():
    given = values(100, 1)
    with_gaps = torch.cat([given, torch.full((30, 1), torch.nan, dtype=torch.float64)])
    means = bootstrap_means(with_gaps, Clusters(None, 130))[:, 0]
    low, high = interval(means)
    assert low < float(given.mean()) < high
    assert interval(torch.full((10,), torch.nan)) is None


def test_columns_share_their_samples_so_that_differences_are_paired():
    given = values(200, 1)
    shifted = torch.cat([given, given + 0.01], dim=1)
    means = bootstrap_means(shifted, Clusters(None, 200))
    assert interval(means[:, 1] - means[:, 0]) == pytest.approx((0.01, 0.01), abs=1e-6)


@pytest.mark.parametrize("shift", [0.0, 0.03, 0.08])
def test_p_values_are_those_of_scipy(shift):
    differences = values(80, 1, seed=2) - values(80, 1, seed=3) + shift
    (found,) = randomization_p_values(differences, Clusters(None, 80))
    expected = stats.permutation_test(
        (differences[:, 0].numpy(),), np.mean, permutation_type="samples", n_resamples=9999,
        rng=np.random.default_rng(0),
    ).pvalue  # fmt: skip
    assert found == pytest.approx(expected, abs=0.02)


def test_equal_models_do_not_differ():
    assert randomization_p_values(torch.zeros(50, 2), Clusters(None, 50)) == [1.0, 1.0]


def test_a_difference_in_one_group_proves_nothing():
    differences = torch.zeros(100, 1)
    differences[:50] = 1.0
    clusters = torch.arange(100) // 50
    assert randomization_p_values(differences, Clusters(None, 100))[0] < 0.001
    assert randomization_p_values(differences, Clusters(clusters, 100)) == [1.0]


def test_corrected_p_values_are_never_smaller_and_keep_their_order():
    given = [0.001, 0.2, 0.011, 0.04]
    corrected = holm(given)
    assert corrected == pytest.approx([0.004, 0.2, 0.033, 0.08])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]
