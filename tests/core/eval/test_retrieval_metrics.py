"""Metrics of pairs and of groups agree with ir-measures (trec_eval) and with their definitions."""

import math

import ir_measures
import pytest
import torch
from torchmetrics.functional.retrieval import (
    retrieval_average_precision,
    retrieval_hit_rate,
    retrieval_normalized_dcg,
    retrieval_precision,
    retrieval_recall,
    retrieval_reciprocal_rank,
)

from quaterion_core.dataset import SimilarityGroupSample, SimilarityPairSample
from quaterion_core.eval import (
    NDCG,
    Evaluator,
    GroupSampler,
    HitRate,
    MapAtR,
    MeanAveragePrecision,
    MeanReciprocalRank,
    PairSampler,
    Precision,
    Recall,
    RecallAtK,
    RetrievalPrecision,
    RetrievalReciprocalRank,
    RetrievalRPrecision,
    retrieval,
    scoring,
)
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.eval.scoring import score

QUERIES, DOCUMENTS = 40, 60
METRICS = {
    "Success@1": HitRate(k=1),
    "Success@5": HitRate(k=5),
    "R@5": Recall(k=5),
    "R@30": Recall(k=30),
    "P@1": Precision(k=1),
    "P@10": Precision(k=10),
    "RR": MeanReciprocalRank(),
    "RR@3": MeanReciprocalRank(k=3),
    "AP": MeanAveragePrecision(),
    "nDCG@5": NDCG(k=5),
    "nDCG@100": NDCG(k=100),
    "P@1 ": RetrievalPrecision(k=1),
    "RR ": RetrievalReciprocalRank(),
}


@pytest.fixture(scope="module")
def judged():
    """Queries and documents with graded labels, some queries without a relevant document."""
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(QUERIES + DOCUMENTS, 8, generator=generator)
    labels = torch.randint(1, 4, (QUERIES, DOCUMENTS), generator=generator)
    labels *= torch.rand(QUERIES, DOCUMENTS, generator=generator) < 0.1
    labels[3:5] = 0
    pairs = torch.cartesian_prod(torch.arange(QUERIES), torch.arange(DOCUMENTS) + QUERIES)
    targets = {
        "labels": labels.flatten().float(),
        "pairs": pairs,
        "subgroups": torch.full((QUERIES + DOCUMENTS,), torch.iinfo(torch.int64).min),
        "objects": torch.arange(QUERIES + DOCUMENTS),
    }
    return embeddings, targets, labels


def run_of(embeddings):
    unit = torch.nn.functional.normalize(embeddings.double(), dim=1)
    scores = unit[:QUERIES] @ unit[QUERIES:].T
    return {
        str(query): {str(document): float(score) for document, score in enumerate(row)}
        for query, row in enumerate(scores)
    }


@pytest.mark.parametrize(
    ("metric", "of_torchmetrics"),
    [
        (HitRate(k=5), lambda s, y: retrieval_hit_rate(s, y > 0, top_k=5)),
        (Recall(k=7), lambda s, y: retrieval_recall(s, y > 0, top_k=7)),
        (Precision(k=5), lambda s, y: retrieval_precision(s, y > 0, top_k=5)),
        (MeanReciprocalRank(), lambda s, y: retrieval_reciprocal_rank(s, y > 0)),
        (MeanReciprocalRank(k=3), lambda s, y: retrieval_reciprocal_rank(s, y > 0, top_k=3)),
        (MeanAveragePrecision(), lambda s, y: retrieval_average_precision(s, y > 0)),
        (NDCG(k=5), lambda s, y: retrieval_normalized_dcg(s, y, top_k=5)),
        (NDCG(k=DOCUMENTS), retrieval_normalized_dcg),
    ],
    ids=["hit rate", "recall", "precision", "MRR", "MRR@3", "MAP", "NDCG@5", "NDCG"],
)
def test_values_are_those_of_torchmetrics(judged, metric, of_torchmetrics):
    embeddings, targets, labels = judged
    rows = torch.arange(len(embeddings))
    found = Retrieval(embeddings, targets, rows[:QUERIES], rows[QUERIES:])
    values = score({"": metric}, found).query_values[""]
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    scores_of = (1 + unit[:QUERIES] @ unit[QUERIES:].T) / 2  # torchmetrics ignores those below 0
    for query, scores in enumerate(scores_of):
        if labels[query].any():
            expected = of_torchmetrics(scores, labels[query])
            assert float(values[query]) == pytest.approx(float(expected), abs=1e-6)
        else:
            assert values[query].isnan()


@pytest.mark.parametrize("rows", [1, 7, 1000], ids=lambda rows: f"blocks of {rows}")
def test_values_are_those_of_trec_eval(judged, monkeypatch, rows):
    embeddings, targets, labels = judged
    monkeypatch.setattr(retrieval, "MAX_BLOCK_ELEMENTS", rows * DOCUMENTS)
    everything = torch.arange(len(embeddings))
    searched = Retrieval(embeddings, targets, everything[:QUERIES], everything[QUERIES:])
    scores = score(METRICS, searched)
    qrels = {
        str(query): {str(document): int(label) for document, label in enumerate(row) if label}
        for query, row in enumerate(labels)
        if row.any()
    }
    measures = {name: ir_measures.parse_measure(name.strip()) for name in METRICS}
    by_query = {
        (measure.measure, int(measure.query_id)): measure.value
        for measure in ir_measures.iter_calc(list(measures.values()), qrels, run_of(embeddings))
    }
    for name, values in scores.query_values.items():
        for query in range(QUERIES):
            if not labels[query].any():  # trec_eval leaves it out
                assert values[query].isnan()
                continue
            expected = by_query[measures[name], query]
            assert values[query].item() == pytest.approx(expected, abs=1e-6), (name, query)
        expected = [
            by_query[measures[name], query] for query in range(QUERIES) if labels[query].any()
        ]
        assert scores.values[name].item() == pytest.approx(sum(expected) / len(expected), abs=1e-6)


def test_exponential_gains_are_those_of_the_definition():
    embeddings = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    targets = {
        "labels": torch.tensor([0.5, 3.0]),
        "pairs": torch.tensor([[0, 1], [0, 3]]),
        "subgroups": torch.zeros(4, dtype=torch.int64),
    }
    metric = NDCG(k=3, gain="exponential", distance_metric_name="euclidean", reduce_func=None)
    low, high = 2**0.5 - 1, 2**3 - 1
    expected = (low + high / math.log2(4)) / (high + low / math.log2(3))
    assert metric.compute(embeddings, **targets)[0].item() == pytest.approx(expected)


def test_groups_and_pairs_of_the_same_relevance_have_the_same_values():
    embeddings = torch.randn(20, 4, generator=torch.Generator().manual_seed(1))
    groups = torch.arange(20) % 10
    pairs = torch.stack([torch.arange(10), torch.arange(10) + 10], dim=1)
    targets = {"labels": torch.ones(10), "pairs": pairs, "subgroups": groups}
    for metric in (HitRate(2), Recall(2), NDCG(3), MeanAveragePrecision(), MeanReciprocalRank()):
        of_groups = metric.compute(embeddings, groups=groups)
        torch.testing.assert_close(metric.compute(embeddings, **targets), of_groups)
    assert HitRate(2).compute(embeddings, groups=groups) == RecallAtK(2).compute(embeddings, groups)


def test_a_perfect_model_is_perfect_where_questions_share_an_answer(table_model):
    samples = [
        SimilarityPairSample(0, 3), SimilarityPairSample(1, 3), SimilarityPairSample(2, 4),
    ]  # fmt: skip
    table = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    metrics = {
        "p@1": RetrievalPrecision(), "rr": RetrievalReciprocalRank(), "recall@1": Recall(1),
        "map": MeanAveragePrecision(), "ndcg@5": NDCG(5),
    }  # fmt: skip
    sampler = PairSampler(distinguish=True, log_progress=False)
    values = Evaluator(metrics, sampler).evaluate(samples, table_model(table))
    assert {name: float(value) for name, value in values.items()} == dict.fromkeys(metrics, 1.0)


def test_a_model_that_maps_everything_to_one_point_finds_nothing():
    embeddings, groups = torch.ones(30, 3), torch.arange(30) % 3
    for metric in (
        HitRate(20),
        Recall(20),
        Precision(20),
        NDCG(20),
        RetrievalRPrecision(),
        MapAtR(),
    ):
        assert metric.compute(embeddings, groups=groups) == 0
    # The nine relevant ones come after the 20 others.
    ranks = [21 + place for place in range(9)]
    assert MeanReciprocalRank().compute(embeddings, groups=groups).item() == pytest.approx(1 / 21)
    expected = sum(number / rank for number, rank in enumerate(ranks, 1)) / 9
    assert MeanAveragePrecision().compute(embeddings, groups=groups).item() == pytest.approx(
        expected
    )


def test_the_nearest_of_each_query_are_returned_as_rows_of_the_data(table_model):
    table = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    samples = [
        SimilarityGroupSample(0, "a"),
        SimilarityGroupSample(1, "b"),
        SimilarityGroupSample(2, "b"),
    ]
    scores = Evaluator(HitRate(1), GroupSampler(log_progress=False)).scores(
        samples, table_model(table), nearest=2
    )
    assert scores.nearest.rows.tolist() == [[2, 1], [2, 0], [1, 0]]
    assert scores.nearest.gains.tolist() == [[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]]
    assert scores.nearest.relevant_count.tolist() == [0, 1, 1]
    torch.testing.assert_close(scores.nearest.scores[0], torch.tensor([0.6, 0.0]))
    assert scores.query_values["HitRate"].isnan().tolist() == [True, False, False]


def test_metrics_of_groups_and_of_both_kinds_share_one_search(monkeypatch):
    ranked = []
    original = scoring.rank
    monkeypatch.setattr(scoring, "rank", lambda *given: ranked.append(given) or original(*given))
    embeddings = torch.randn(20, 4, generator=torch.Generator().manual_seed(1))
    metrics = {"recall@1": RecallAtK(1), "recall": Recall(5), "map@r": MapAtR()}
    score(metrics, Retrieval(embeddings, {"groups": torch.arange(20) % 10}))
    assert len(ranked) == 1


def test_batches_of_the_other_kind_are_refused():
    metric = HitRate()
    metric.update(torch.zeros(2, 3), groups=torch.tensor([1, 2]))
    with pytest.raises(ValueError, match=r"same kind.*reset\(\)"):
        metric.update(
            torch.zeros(2, 3), labels=torch.ones(1), pairs=torch.tensor([[0, 1]]),
            subgroups=torch.zeros(2, dtype=torch.int64),
        )  # fmt: skip
    metric.reset()
    with pytest.raises(TypeError, match=r"groups \(groups=\) or of pairs"):
        metric.update(torch.zeros(2, 3))


@pytest.mark.parametrize("metric", [HitRate, Recall, Precision, MeanReciprocalRank, NDCG])
def test_a_k_below_one_is_refused(metric):
    with pytest.raises(ValueError, match="to be 1 or more, got 0"):
        metric(k=0)


def test_an_unknown_gain_is_refused():
    with pytest.raises(ValueError, match="'linear' or 'exponential', got 'log'"):
        NDCG(gain="log")
