"""ROC AUC and TAR@FAR."""

from itertools import combinations

import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from quaterion_core.dataset import SimilarityGroupSample, SimilarityPairSample
from quaterion_core.eval import AttachedMetric, Evaluator, GroupSampler, PairSampler
from quaterion_core.eval import retrieval as retrieval_module
from quaterion_core.eval.verification import (
    PairRocAuc,
    PairTarAtFar,
    RocAuc,
    TarAtFar,
    area_under_roc,
    true_accept_rate,
)

GROUPS = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2, 2, 3] * 3)


def embeddings(count=30):
    """Return embeddings with small integer coordinates, so that many distances are equal."""
    return torch.randint(-2, 3, (count, 3), generator=torch.Generator().manual_seed(0)).float()


def every_two(rows=None):
    """Return scores and labels of all pairs of objects with at least one of the given rows."""
    vectors = embeddings().double()
    pairs = [
        (a, b) for a, b in combinations(range(len(GROUPS)), 2) if rows is None or {a, b} & set(rows)
    ]
    first, second = torch.tensor(pairs).T
    scores = -(vectors[first] - vectors[second]).abs().sum(dim=1)  # exact in any precision
    return scores, GROUPS[first] == GROUPS[second]


def tar_of_sklearn(scores, is_match, far):
    rates, hits, _ = roc_curve(is_match, scores, drop_intermediate=False)
    return hits[rates <= far].max()


METRICS = {
    "roc-auc": (RocAuc("manhattan"), roc_auc_score),
    **{
        f"tar@{far}": (
            TarAtFar(far, "manhattan"),
            lambda is_match, scores, far=far: tar_of_sklearn(scores, is_match, far),
        )
        for far in (0.0, 0.01, 0.1, 0.5, 1.0)
    },
}
each_metric = pytest.mark.parametrize(("metric", "reference"), METRICS.values(), ids=METRICS)


@pytest.fixture
def table():
    class Table:
        vectors = embeddings()

        def encode(self, rows, batch_size, to_numpy):
            return self.vectors[torch.tensor(rows)]

    return Table()


@each_metric
def test_it_agrees_with_scikit_learn(metric, reference):
    scores, is_match = every_two()
    expected = reference(is_match, scores)
    assert metric.compute(embeddings(), GROUPS).item() == pytest.approx(expected, abs=1e-6)


@each_metric
def test_blocks_of_queries_change_nothing(metric, reference, monkeypatch):
    expected = metric.compute(embeddings(), GROUPS)
    monkeypatch.setattr(retrieval_module, "MAX_BLOCK_ELEMENTS", 100)  # three queries at once
    assert metric.compute(embeddings(), GROUPS) == expected


@each_metric
def test_batches_that_are_collected_are_one_data_set(metric, reference):
    metric.reset()
    for part in (slice(0, 7), slice(7, 30)):
        metric.update(embeddings()[part], GROUPS[part])
    assert metric.evaluate() == metric.compute(embeddings(), GROUPS)
    metric.reset()


@each_metric
def test_an_evaluation_of_sampled_objects_takes_their_pairs(metric, reference, table):
    samples = [SimilarityGroupSample(n, group) for n, group in enumerate(GROUPS.tolist())]
    evaluator = Evaluator({"value": metric}, GroupSampler(sample_size=8, log_progress=False))
    chosen = torch.randperm(30, generator=torch.Generator().manual_seed(0))[:8].tolist()
    scores, is_match = every_two(chosen)
    expected = reference(is_match, scores)
    value = evaluator.evaluate(samples, table)["value"]
    assert value.item() == pytest.approx(expected, abs=1e-6)


@each_metric
def test_with_a_reference_each_query_makes_a_pair_with_each_of_its_objects(
    metric, reference, table
):
    samples = [SimilarityGroupSample(n, group) for n, group in enumerate(GROUPS.tolist())]
    sampler = GroupSampler(log_progress=False, reference=samples[12:])
    value = Evaluator({"value": metric}, sampler).evaluate(samples[:12], table)["value"]
    vectors = embeddings().double()
    scores = -(vectors[:12].unsqueeze(1) - vectors[12:]).abs().sum(dim=2).flatten()
    is_match = (GROUPS[:12].unsqueeze(1) == GROUPS[12:]).flatten()
    assert value.item() == pytest.approx(reference(is_match, scores), abs=1e-6)


@each_metric
def test_a_matrix_of_all_distances_gives_the_same(metric, reference):
    """Each pair of objects occurs twice, which changes no rate."""
    labels, distances = metric.precompute(embeddings(), groups=GROUPS)
    torch.testing.assert_close(
        metric.raw_compute(distances, labels), metric.compute(embeddings(), GROUPS)
    )


def test_stated_pairs_agree_with_scikit_learn(table):
    labels = torch.rand(40, generator=torch.Generator().manual_seed(1)).round().tolist()
    rows = torch.randint(30, (40, 2), generator=torch.Generator().manual_seed(2))
    samples = [
        SimilarityPairSample(a, b, score)
        for (a, b), score in zip(rows.tolist(), labels, strict=True)
    ]
    first, second = embeddings()[rows.T]
    scores = -(first - second).abs().sum(dim=1)
    metrics = {"auc": PairRocAuc("manhattan"), "tar": PairTarAtFar(0.2, "manhattan")}
    values = Evaluator(metrics, PairSampler(log_progress=False)).evaluate(samples, table)
    assert values["auc"].item() == pytest.approx(roc_auc_score(labels, scores), abs=1e-6)
    assert values["tar"].item() == pytest.approx(tar_of_sklearn(scores, labels, 0.2), abs=1e-6)


@pytest.mark.parametrize(("far", "others"), [(0.29, 100), (0.1, 30), (0.001, 1000), (0.35, 20)])
def test_a_rate_that_is_a_whole_number_of_pairs_is_reached(far, others):
    """0.29 · 100 is below 29 in floating point."""
    scores = torch.arange(others + 1.0)
    is_match = torch.zeros(others + 1, dtype=torch.bool)
    accepted = round(far * others)
    scores[0], is_match[0] = others - accepted + 0.5, True  # below exactly that many others
    assert true_accept_rate(lambda: [(scores, is_match)], far) == 1
    assert true_accept_rate(lambda: [(scores, is_match)], far - 1e-6) == 0


def test_a_model_that_maps_everything_to_one_point_only_guesses():
    assert RocAuc().compute(torch.ones(30, 3), GROUPS) == 0.5
    assert TarAtFar(0.5).compute(torch.ones(30, 3), GROUPS) == 0


@pytest.mark.parametrize("groups", [[1, 2, 3], [1, 1, 1], [1]], ids=["none", "all", "one object"])
def test_without_both_kinds_of_pairs_there_is_nothing_to_tell(groups):
    vectors, groups = embeddings(len(groups)), torch.tensor(groups)
    assert RocAuc().compute(vectors, groups) == 0.5
    assert TarAtFar().compute(vectors, groups) == (
        len(groups) == 3 and groups.unique().numel() == 1
    )


def test_many_equal_scores_are_counted_exactly():
    """2,000 · 2,000 comparisons of two values each, half of them ties."""
    scores = torch.tensor([0.1, 0.2]).repeat(2000)
    is_match = torch.arange(4000) < 2000
    assert area_under_roc(lambda: [(scores, is_match)]) == 0.5


def test_it_can_be_attached_to_a_training():
    attached = AttachedMetric("auc", RocAuc())
    assert attached.compute(torch.eye(3)[[0, 0, 1]], torch.tensor([1, 1, 2])) == 1


@pytest.mark.parametrize("cls", [TarAtFar, PairTarAtFar])
def test_a_rate_out_of_range_is_refused(cls):
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 1\.5"):
        cls(far=1.5)


@pytest.mark.parametrize("cls", [TarAtFar, PairTarAtFar])
def test_a_configuration_keeps_what_is_not_a_default(cls):
    again = cls.from_config(cls(far=0.2, distance_metric_name="euclidean").get_config_dict())
    assert (again.far, again.distance_metric_name) == (0.2, "euclidean")
