"""Recall@k and MAP@R."""

import pytest
import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN
from torchmetrics.functional.retrieval import retrieval_hit_rate

from quaterion_core.dataset import SimilarityGroupSample
from quaterion_core.eval import Evaluator, GroupSampler, KNNAccuracy, RetrievalRPrecision
from quaterion_core.eval.group import MapAtR, RecallAtK, map_at_r, recall_at_k

GROUPS = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2, 2, 3] * 3)  # 12, 6, 9 and 3 objects


def embeddings(seed=0):
    return torch.randn(len(GROUPS), 4, generator=torch.Generator().manual_seed(seed))


def of_peer(name, seed):
    """Return what pytorch-metric-learning computes, without faiss."""
    calculator = AccuracyCalculator(include=(name,), knn_func=CustomKNN(CosineSimilarity()))
    vectors = embeddings(seed)
    return calculator.get_accuracy(vectors, GROUPS, vectors, GROUPS, ref_includes_query=True)[name]


@pytest.mark.parametrize("seed", range(3))
def test_map_at_r_agrees_with_pytorch_metric_learning(seed):
    value = MapAtR().compute(embeddings(seed), GROUPS)
    assert value.item() == pytest.approx(of_peer("mean_average_precision_at_r", seed), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_recall_at_1_agrees_with_pytorch_metric_learning(seed):
    value = RecallAtK(k=1).compute(embeddings(seed), GROUPS)
    assert value.item() == pytest.approx(of_peer("precision_at_1", seed), abs=1e-6)


@pytest.mark.parametrize("k", [1, 2, 5, 29, 100])
def test_recall_at_k_agrees_with_torchmetrics(k):
    distances = torch.rand(8, 29, generator=torch.Generator().manual_seed(k))
    labels = torch.rand(8, 29, generator=torch.Generator().manual_seed(0)) < 0.1
    expected = [
        retrieval_hit_rate(-row, label, top_k=min(k, 29))
        for row, label in zip(distances, labels, strict=True)
    ]
    assert torch.equal(recall_at_k(distances, labels, k), torch.stack(expected))


def average_precision_at_r(distances, relevance):
    """Rank by sorting, with irrelevant results before relevant ones at equal distance."""
    ranked = [is_relevant for _, is_relevant in sorted(zip(distances, relevance, strict=True))]
    count, hits, total = sum(relevance), 0, 0.0
    for rank, is_relevant in enumerate(ranked[:count], start=1):
        hits += is_relevant
        total += is_relevant * hits / rank
    return total / count if count else 0.0


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_ties_are_to_the_disadvantage_of_the_model(levels):
    generator = torch.Generator().manual_seed(levels)
    distances = torch.randint(levels, (40, 15), generator=generator) / levels
    labels = torch.rand(40, 15, generator=generator) < torch.linspace(0, 1, 40).unsqueeze(1)
    expected = [
        average_precision_at_r(row, label)
        for row, label in zip(distances.tolist(), labels.tolist(), strict=True)
    ]
    torch.testing.assert_close(map_at_r(distances, labels), torch.tensor(expected))
    for k in (1, 3):
        ranked = [sorted(zip(*both, strict=True))[:k] for both in
                  zip(distances.tolist(), labels.tolist(), strict=True)]  # fmt: skip
        found = [float(any(is_relevant for _, is_relevant in best)) for best in ranked]
        assert recall_at_k(distances, labels, k).tolist() == found


@pytest.mark.parametrize("metric", [MapAtR(), RecallAtK(k=2)], ids=["map-at-r", "recall-at-k"])
def test_a_model_that_maps_everything_to_one_point_finds_nothing(metric):
    assert metric.compute(torch.ones(6, 3), torch.tensor([1, 1, 2, 2, 3, 3])) == 0


@pytest.mark.parametrize("metric", [MapAtR(), RecallAtK(k=2)], ids=["map-at-r", "recall-at-k"])
def test_the_only_object_of_a_group_is_no_query(metric):
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    assert metric.compute(vectors, torch.tensor([1, 1, 2])) == 1
    assert metric.compute(vectors, torch.tensor([1, 2, 3])) == 0


def test_a_sampled_evaluation_takes_the_values_of_some_queries():
    table = embeddings()

    class Table:
        def encode(self, rows, batch_size, to_numpy):
            return table[torch.tensor(rows)]

    samples = [SimilarityGroupSample(n, group) for n, group in enumerate(GROUPS.tolist())]
    metrics = {"map": MapAtR(reduce_func=None), "recall": RecallAtK(k=2, reduce_func=None)}
    sampled = Evaluator(metrics, GroupSampler(sample_size=10, log_progress=False))
    values = sampled.evaluate(samples, Table())
    chosen = torch.randperm(30, generator=torch.Generator().manual_seed(0))[:10].sort().values
    for name, metric in metrics.items():
        torch.testing.assert_close(values[name], metric.compute(table, GROUPS)[chosen])


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("mean_average_precision_at_r", MapAtR()),
        ("r_precision", RetrievalRPrecision()),
        ("precision_at_1", RecallAtK(k=1)),
        ("precision_at_1", KNNAccuracy(k=1)),
    ],
    ids=["map-at-r", "retrieval-r-precision", "recall-at-k", "knn-accuracy"],
)
@pytest.mark.parametrize("count", [12, 20])
def test_values_with_a_reference_agree_with_pytorch_metric_learning(name, metric, count):
    table, groups = embeddings(), GROUPS.clone()
    groups[9] = 7  # nobody in the reference is of this group
    queries, reference = slice(0, count), slice(count, 30)

    class Table:
        def encode(self, rows, batch_size, to_numpy):
            return table[torch.tensor(rows)]

    samples = [SimilarityGroupSample(n, group) for n, group in enumerate(groups.tolist())]
    sampler = GroupSampler(log_progress=False, reference=samples[reference])
    value = Evaluator({"value": metric}, sampler).evaluate(samples[queries], Table())["value"]
    calculator = AccuracyCalculator(include=(name,), knn_func=CustomKNN(CosineSimilarity()))
    expected = calculator.get_accuracy(
        table[queries], groups[queries], table[reference], groups[reference]
    )[name]
    assert value.item() == pytest.approx(expected, abs=1e-6)


def test_k_below_one_is_refused():
    with pytest.raises(ValueError, match="1 or more, got 0"):
        RecallAtK(k=0)
