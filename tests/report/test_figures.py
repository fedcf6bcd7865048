"""Tests of the metrics of a page: values, intervals, differences and slices."""

import pytest
import torch

from quaterion_core.dataset import SimilarityGroupSample, SimilarityPairSample
from quaterion_core.distances import Distance
from quaterion_core.eval.metric_choices import attached_metrics
from quaterion_core.recipe.evaluate import EvaluationData
from quaterion_report.corpus import Corpus
from quaterion_report.figures import Figures
from quaterion_report.gathering import Evaluated
from quaterion_report.searching import search


def figures(samples, embeddings, metrics):
    corpus = Corpus.of(samples)
    systems = {}
    for key, matrix in zip(("model", "untouched"), embeddings, strict=False):
        found = search(corpus, matrix, Distance.COSINE, 5)
        systems[key] = Evaluated(key, key, matrix, found)
    given = EvaluationData(None, None, "test", samples, None, None, attached_metrics(metrics))
    return Figures(corpus, systems, given)


@pytest.fixture(scope="module")
def grouped():
    """Two models of 120 objects in 6 groups; the first one is better but for one group."""
    generator = torch.Generator().manual_seed(0)
    groups = torch.arange(120) % 6
    noise = torch.randn(2, 120, 8, generator=generator)
    signal = torch.nn.functional.one_hot(groups, 8).float()
    better = 4.0 * signal
    better[groups == 5] = 0
    texts = [f"{'word ' * (1 + n // 30)}{n}" for n in range(120)]
    samples = [SimilarityGroupSample(text, f"g{n % 6}") for n, text in enumerate(texts)]
    metrics = [{"name": "recall-at-k", "k": 1}, "map-at-r", "roc-auc"]
    return figures(samples, [noise[0] + better, noise[1] + signal], metrics)


def test_all_metrics_have_intervals(grouped):
    by_name = {metric.name: metric for metric in grouped.metrics()}
    for name in ("recall_at_k@1", "map_at_r", "roc_auc"):
        for estimate in by_name[name].values.values():
            assert estimate.low < estimate.value < estimate.high
    assert by_name["roc_auc"].differences["untouched"].estimate.low is not None


def test_differences_count_queries(grouped):
    for metric in grouped.metrics()[:2]:
        difference = metric.differences["untouched"]
        value = metric.values["model"].value - metric.values["untouched"].value
        assert difference.estimate.value == pytest.approx(value, abs=1e-5)
        assert difference.wins + difference.losses + difference.ties == 120
        assert difference.wins > difference.losses
        assert 0 < difference.p_value <= 1


def test_the_worst_slice_is_the_group_without_signal(grouped):
    slices = grouped.slices()
    assert slices.metric == "recall_at_k@1"
    assert (slices.worst[0].by, slices.worst[0].name) == ("group", "g5")
    assert slices.worst[0].queries == 20
    assert slices.worst[0].estimate.high < slices.overall
    of_lengths = [part for part in slices.worst if part.by == "length"]
    assert sum(part.queries for part in of_lengths) == 120
    of_groups = [part for part in slices.worst if part.by == "group"]
    mean = sum(part.estimate.value for part in of_groups) / 6
    assert slices.overall == pytest.approx(mean, abs=1e-5)


def test_few_queries_have_no_slices():
    samples = [SimilarityPairSample(f"q {n}", f"a {n}") for n in range(4)]
    found = figures(samples, [torch.eye(8)], ["retrieval-precision"])
    assert found.slices() is None


def test_a_perfect_model_has_an_interval_of_one_point():
    samples = [SimilarityPairSample(f"q {n}", f"a {n}") for n in range(20)]
    corpus = Corpus.of(samples)
    number = {text: n for n, text in enumerate(corpus.objects)}
    matrix = torch.stack([torch.eye(20)[int(text.split()[1])] for text in number])
    (metric,) = figures(samples, [matrix], [{"name": "retrieval-precision", "k": 1}]).metrics()
    estimate = metric.values["model"]
    assert (estimate.low, estimate.value, estimate.high) == (1.0, 1.0, 1.0)
