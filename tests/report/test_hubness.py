"""Tests of hubs, against SciPy."""

import pytest
import torch
from scipy import stats

from quaterion_report.hubness import k_occurrences, skewness


def test_skewness_is_that_of_scipy():
    counts = torch.randint(0, 30, (200,), generator=torch.Generator().manual_seed(0)).square()
    assert skewness(counts) == pytest.approx(stats.skew(counts.numpy()), abs=1e-6)


def test_every_find_is_counted_once():
    found = torch.randint(0, 40, (100, 5), generator=torch.Generator().manual_seed(1))
    counts = k_occurrences(found, candidates=50)
    assert counts.sum() == 500
    assert counts[40:].tolist() == [0] * 10
    assert counts[3] == (found == 3).sum()
