"""Tests that equal objects are one query or document in pair metrics."""

import random

import pytest
import torch

from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.eval import (
    Evaluator,
    GroupSampler,
    KNNAccuracy,
    MapAtR,
    PairMetric,
    PairSampler,
    PearsonCorrelation,
    RecallAtK,
    RetrievalPrecision,
    RetrievalReciprocalRank,
    RetrievalRPrecision,
    RocAuc,
)
from quaterion_core.eval.retrieval import Retrieval


class Meanings:
    """Embeds a text by looking up its meaning in a table, and counts calls.

    A copy of an embedding differs in the last bit, as it does between batches of other lengths.
    """

    def __init__(self, **angles):
        self.angles = angles
        self.encoded = []

    def encode(self, texts, batch_size=32, to_numpy=True):
        self.encoded.extend(texts)
        angles = torch.tensor([self.angles[text] for text in texts])
        noise = 1e-7 * len(self.encoded)
        return torch.stack([angles.cos(), angles.sin() + noise], dim=1)


PERFECT = Meanings(q1=0.0, q2=0.1, yes=0.05, q3=2.0, no=2.05)
SHARED = [
    SimilarityPairSample("q1", "yes"),
    SimilarityPairSample("q2", "yes"),
    SimilarityPairSample("q3", "no"),
]


def evaluate(samples, model, sampler=PairSampler, distinguish=True, **metrics):
    arguments = {"distinguish": distinguish} if sampler is PairSampler else {}
    evaluator = Evaluator(metrics, sampler(log_progress=False, encode_batch_size=2, **arguments))
    return evaluator.evaluate(samples, model)


def rr(**arguments):
    return RetrievalReciprocalRank(reduce_func=None, **arguments)


@pytest.mark.parametrize("distinguish", [True, False])
def test_two_questions_of_one_answer_are_right_in_a_perfect_model(distinguish):
    values = evaluate(
        SHARED, PERFECT, distinguish=distinguish,
        p=RetrievalPrecision(), rr=rr(), mrr=RetrievalReciprocalRank(),
    )  # fmt: skip
    assert values["p"] == values["mrr"] == 1
    assert values["rr"].tolist() == [1.0] * (3 if distinguish else 5)


def test_without_ids_of_objects_all_count_as_different():
    objects, targets = PairsSimilarityDataLoader.pre_collate_fn(SHARED)
    embeddings = Meanings(q1=0.0, q2=0.1, yes=0.05, q3=2.0, no=2.05).encode(objects)
    with_ids = RetrievalPrecision().compute(embeddings, **targets)
    del targets["objects"]
    assert with_ids == 1
    # q3 and no are right; of q1, q2 and the two copies of yes, each copy finds the other.
    assert RetrievalPrecision().compute(embeddings, **targets) <= 4 / 6


def test_each_distinct_object_is_embedded_once():
    model = Meanings(**PERFECT.angles)
    evaluate(SHARED * 20, model, p=RetrievalPrecision())
    assert sorted(model.encoded) == ["no", "q1", "q2", "q3", "yes"]


def test_an_object_in_data_and_reference_is_embedded_once_and_does_not_find_itself():
    model = Meanings(a=0.0, b=0.5, c=1.0, d=0.6)
    data = [SimilarityGroupSample("a", 1), SimilarityGroupSample("c", 2)]
    reference = [*data, SimilarityGroupSample("b", 1), SimilarityGroupSample("d", 2)]
    sampler = GroupSampler(log_progress=False, reference=reference)
    values = sampler.score(data, {"r": RecallAtK(reduce_func=None)}, model)["r"]
    # To a, b is the nearest beside itself; to c, d is.
    assert values.tolist() == [1.0, 1.0]
    assert sorted(model.encoded) == ["a", "b", "c", "d"]


def test_an_equal_query_queries_once():
    model = Meanings(q=0.0, a=0.1, b=3.0, x=0.05, y=3.1)
    samples = [SimilarityPairSample("q", answer) for answer in "ab"]
    values = evaluate([*samples, SimilarityPairSample("y", "x")], model, rr=rr())["rr"]
    # The query q has two answers, x lies before the nearer one; y finds b before x, and a.
    assert values.tolist() == [0.5, pytest.approx(1 / 3)]


def test_objects_of_a_subgroup_are_relevant_to_one_another():
    model = Meanings(q1=0.0, a1=0.5, q2=0.01, a2=0.02, q3=2.0, a3=2.1)
    samples = [SimilarityPairSample(f"q{n}", f"a{n}", subgroup=s) for n, s in enumerate("ssu", 1)]
    assert evaluate(samples, model, p=RetrievalPrecision())["p"] == 1
    unstated = [SimilarityPairSample(s.obj_a, s.obj_b) for s in samples]
    assert evaluate(unstated, model, p=RetrievalPrecision())["p"] == pytest.approx(2 / 3)


def test_what_a_pair_of_score_0_names_is_no_result_of_the_subgroup():
    model = Meanings(q=0.0, a=0.5, hard=0.1, other=3.0, b=3.1)
    samples = [
        SimilarityPairSample("q", "a", subgroup="s"),
        SimilarityPairSample("q", "hard", 0.0, subgroup="s"),  # as mined negatives are
        SimilarityPairSample("other", "b", subgroup="t"),
    ]
    assert evaluate(samples, model, rr=rr())["rr"].tolist() == [0.5, 1.0]
    # Even if another pair places the object into the subgroup.
    samples.append(SimilarityPairSample("b", "hard", subgroup="s"))
    assert evaluate(samples, model, rr=rr())["rr"].tolist()[0] == 0.5


def test_an_object_is_of_the_subgroup_of_its_similar_pair_wherever_that_stands():
    model = Meanings(x=3.0, q=0.0, a=0.5, r=0.4, b=2.0)
    samples = [
        SimilarityPairSample("x", "a", 0.0, subgroup="s"),
        SimilarityPairSample("q", "a", subgroup="s"),
        SimilarityPairSample("r", "b", subgroup="s"),
    ]
    # To q and r, a is the nearest; x has nothing to find.
    assert evaluate(samples, model, rr=rr())["rr"].tolist() == [1.0, 1.0]


def reference_of_pairs(samples, model, k):
    """Count P@k and the reciprocal rank of obj_a among obj_b by sets, a query and rank at a time.

    The scores are without ties.
    """
    vector = {t: model.encode([t])[0].double() for s in samples for t in (s.obj_a, s.obj_b)}
    answers = {s.obj_b for s in samples}
    precisions, ranks = [], []
    for query in dict.fromkeys(s.obj_a for s in samples):
        right = {s.obj_b for s in samples if s.obj_a == query}
        right |= {s.obj_a for s in samples if s.obj_b == query}
        groups = {s.subgroup for s in samples if query in (s.obj_a, s.obj_b)} - {None}
        right |= {t for s in samples if s.subgroup in groups for t in (s.obj_a, s.obj_b)}
        found = sorted(
            answers - {query},
            key=lambda t: -torch.cosine_similarity(vector[query], vector[t], dim=0).item(),
        )
        hits = [t in right for t in found]
        if any(hits):
            precisions.append(sum(hits[:k]) / k)
            ranks.append(1 / (1 + hits.index(True)))
    return precisions, ranks


@pytest.mark.parametrize("seed", range(5))
def test_they_are_what_a_search_over_sets_gives(seed):
    generator = random.Random(seed)
    texts = [f"t{n}" for n in range(14)]
    table = {text: generator.uniform(0, 3) for text in texts}

    class Table(Meanings):
        def encode(self, texts, batch_size=32, to_numpy=True):
            angles = torch.tensor([self.angles[text] for text in texts])
            return torch.stack([angles.cos(), angles.sin()], dim=1)

    samples = []
    while len(samples) < 25:
        a, b = generator.sample(texts, 2)
        samples.append(SimilarityPairSample(a, b, subgroup=generator.choice([None, None, 1, 2])))
    expected = reference_of_pairs(samples, Table(**table), k=3)
    values = evaluate(samples, Table(**table), p=RetrievalPrecision(3, reduce_func=None), rr=rr())
    assert values["p"].tolist() == pytest.approx(expected[0])
    assert values["rr"].tolist() == pytest.approx(expected[1])


@pytest.mark.parametrize(
    "metric",
    [RetrievalRPrecision(), MapAtR(), RecallAtK(2), KNNAccuracy(3), RocAuc()],
    ids=lambda metric: type(metric).__name__,
)
def test_copies_change_no_metric_of_groups(metric):
    generator = random.Random(0)
    table = {f"t{n}": generator.uniform(0, 3) for n in range(20)}
    distinct = [SimilarityGroupSample(text, n % 4) for n, text in enumerate(table)]
    copies = distinct + generator.choices(distinct, k=30)

    class Table(Meanings):
        def encode(self, texts, batch_size=32, to_numpy=True):
            angles = torch.tensor([self.angles[text] for text in texts])
            return torch.stack([angles.cos(), angles.sin()], dim=1)

    once = evaluate(distinct, Table(**table), GroupSampler, m=metric)["m"]
    assert evaluate(copies, Table(**table), GroupSampler, m=metric)["m"] == pytest.approx(once)
    objects, targets = GroupSimilarityDataLoader.pre_collate_fn(copies)
    assert metric.compute(Table(**table).encode(objects), **targets) == pytest.approx(once)
    for part in (slice(0, 17), slice(17, 50)):
        objects, targets = GroupSimilarityDataLoader.pre_collate_fn(copies[part])
        metric.update(Table(**table).encode(objects), **targets)
    assert metric.compute() == pytest.approx(once)
    metric.reset()


def test_an_object_of_two_groups_is_relevant_to_both():
    model = Meanings(a=0.0, b=0.1, c=0.2)
    samples = [SimilarityGroupSample(t, g) for t, g in [("b", 1), ("a", 1), ("b", 2), ("c", 2)]]
    values = evaluate(samples, model, GroupSampler, r=RetrievalRPrecision(reduce_func=None))
    assert values["r"].tolist() == [1.0, 1.0, 1.0]


def test_pairs_that_are_stated_twice_are_compared_twice():
    model = Meanings(a=0.0, b=0.1, c=1.0, d=2.0)
    scored = [("a", "b", 1.0), ("a", "c", 0.2), ("a", "b", 0.9), ("a", "d", 0.5)]
    samples = [SimilarityPairSample(*sample) for sample in scored]
    cosines = torch.tensor([0.1, 1.0, 0.1, 2.0]).cos()
    expected = torch.corrcoef(torch.stack([cosines, torch.tensor([1.0, 0.2, 0.9, 0.5])]))[0, 1]
    value = evaluate(samples, model, m=PearsonCorrelation())["m"]
    assert value.item() == pytest.approx(expected.item(), abs=1e-5)


def test_a_third_partys_relevance_holds_for_copies():
    class SameParity(PairMetric):
        @staticmethod
        def prepare_labels(labels, pairs, subgroups, queries, candidates):
            return (queries.unsqueeze(1) - candidates) % 2 == 0

    targets = {
        "labels": torch.ones(2),
        "pairs": torch.tensor([[0, 2], [1, 3]]),
        "subgroups": torch.zeros(4, dtype=torch.int64),
        "objects": torch.tensor([5, 6, 7, 5]),
    }
    retrieval = Retrieval(torch.eye(4), targets)
    assert retrieval.queries.tolist() == [0, 1, 2]
    # Row 3 is equal to row 0 and related to row 1, row 0 is related to row 2.
    labels = retrieval.labels(SameParity.prepare_labels, retrieval.queries)
    assert labels.int().tolist() == [[0, 1, 1], [1, 0, 0], [1, 0, 0]]


def test_ids_of_another_shape_are_refused():
    with pytest.raises(
        ValueError, match=r"Expected objects to be an integer tensor of shape \(3,\)"
    ):
        RecallAtK().compute(torch.eye(3), torch.arange(3), objects=torch.arange(2))
