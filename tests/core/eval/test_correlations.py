"""Pearson's and Spearman's correlation of similarities and labels."""

import pytest
import torch
from scipy import stats

from quaterion_core.dataset import SimilarityPairSample
from quaterion_core.eval import AttachedMetric, Evaluator, PairSampler
from quaterion_core.eval.pair import (
    PearsonCorrelation,
    SpearmanCorrelation,
    pearson_correlation,
    spearman_correlation,
)


def vectors(count, size=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, dtype=torch.float64, generator=generator)


def pair_targets(labels):
    first = torch.arange(len(labels))
    return {
        "pairs": torch.stack([first, first + len(labels)], dim=1),
        "labels": torch.as_tensor(labels),
        "subgroups": torch.zeros(2 * len(labels), dtype=torch.int64),
    }


FUNCTIONS = [
    pytest.param(pearson_correlation, stats.pearsonr, id="pearson"),
    pytest.param(spearman_correlation, stats.spearmanr, id="spearman"),
]
each_function = pytest.mark.parametrize(("function", "reference"), FUNCTIONS)
each_metric = pytest.mark.parametrize(
    ("cls", "reference"),
    [(PearsonCorrelation, stats.pearsonr), (SpearmanCorrelation, stats.spearmanr)],
)


@each_function
@pytest.mark.parametrize("levels", [3, 1000], ids=["many ties", "few ties"])
def test_they_agree_with_scipy(function, reference, levels):
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        x = torch.randint(levels, (57,), generator=generator) / levels
        y = x + torch.randint(-levels, levels, (57,), generator=generator) / levels
        assert function(x, y).item() == pytest.approx(reference(x, y).statistic, abs=1e-6)


def test_spearman_worked_by_hand():
    # Without ties: 1 - 6 Σ d² / (n (n² - 1)), here of the ranks 1 2 3 4 5 and 2 1 3 5 4.
    x, y = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), torch.tensor([0.2, 0.1, 0.3, 6.0, 0.4])
    value = spearman_correlation(x, y)
    assert value.item() == pytest.approx(1 - 6 * (1 + 1 + 0 + 1 + 1) / (5 * 24))


@each_function
def test_large_numbers_far_from_zero_lose_nothing(function, reference):
    x = torch.arange(100_000, dtype=torch.float64) + 1e9
    assert function(x, 3 * x - 5).item() == pytest.approx(1.0)
    assert function(x, -x).item() == pytest.approx(-1.0)


@each_function
@pytest.mark.parametrize("count", [0, 1, 5])
def test_equal_values_have_no_correlation(function, reference, count):
    assert function(torch.full((count,), 0.1), torch.arange(count)) == 0
    assert function(torch.arange(count), torch.full((count,), 0.1)) == 0


@each_metric
def test_batches_that_are_collected_are_one_data_set(cls, reference):
    metric, labels = cls(), torch.rand(30)
    a, b = vectors(30), vectors(30, seed=1)
    for part in (slice(0, 11), slice(11, 30)):
        targets = pair_targets(labels[part])
        metric.update(torch.cat([a[part], b[part]]), **targets)
    expected = reference(torch.cosine_similarity(a, b), labels).statistic
    assert metric.compute().item() == pytest.approx(expected, abs=1e-6)
    metric.reset()
    with pytest.raises(RuntimeError, match="nothing to evaluate"):
        metric.compute()


@each_metric
def test_an_evaluator_gives_the_correlation_of_a_data_set(cls, reference):
    table, labels = vectors(40).float(), torch.rand(20).tolist()

    class Table:
        def encode(self, rows, batch_size, to_numpy):
            return table[torch.tensor(rows)]

    samples = [SimilarityPairSample(n, n + 20, score=label) for n, label in enumerate(labels)]
    expected = reference(torch.cosine_similarity(table[:20], table[20:]), labels).statistic
    evaluator = Evaluator({"value": cls()}, PairSampler(log_progress=False, encode_batch_size=7))
    assert evaluator.evaluate(samples, Table())["value"].item() == pytest.approx(expected, abs=1e-6)
    one_sided = Evaluator({"value": cls()}, PairSampler(distinguish=True, log_progress=False))
    assert one_sided.evaluate(samples, Table())["value"].item() == pytest.approx(expected, abs=1e-6)


@each_metric
def test_it_can_be_attached_to_a_training(cls, reference):
    attached = AttachedMetric("correlation", cls("dot_product"))
    a, b, labels = vectors(9), vectors(9, seed=1), torch.rand(9)
    value = attached.compute(torch.cat([a, b]), **pair_targets(labels))
    assert value.item() == pytest.approx(reference((a * b).sum(1), labels).statistic, abs=1e-6)
