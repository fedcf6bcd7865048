import math

import numpy as np
import pytest
import torch

from quaterion_core.dataset import SimilarityGroupSample, SimilarityPairSample
from quaterion_core.distances import Distance
from quaterion_core.distances import top_k as top_k_module
from quaterion_core.mining import MiningRules, mine_hard_negatives
from quaterion_core.mining.queries import Queries

# Dot products with q = (1, 0) are the first number: similarity is read off the vector.
VECTORS = {
    "q": [1.0, 0.0],
    "p": [0.8, 0.0],
    "n9": [0.9, 0.0],
    "n7": [0.7, 0.0],
    "n6": [0.6, 0.0],
    "n3": [0.3, 0.0],
    "n1": [-0.1, 0.0],
}
CORPUS = ["n1", "n3", "n6", "n7", "n9", "p"]
SAMPLES = [SimilarityPairSample("q", "p")]


def found(mined):
    return [pair.obj_b for pair in mined if pair.score == 0]


@pytest.fixture
def model(look_up):
    return look_up(VECTORS)


def mine(model, rules=None, samples=SAMPLES, corpus=CORPUS, guide=None, **arguments):
    rules = MiningRules(distance="dot_product", **{"negatives_per_query": 5, **(rules or {})})
    return mine_hard_negatives(model, samples, corpus, rules, guide=guide, **arguments)


def test_without_rules_it_is_the_nearest_but_the_partner(model):
    mined = mine(model, {"negatives_per_query": 2})
    assert mined[0] is SAMPLES[0]
    assert found(mined) == ["n9", "n7"]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"ranks": (2, 6), "negatives_per_query": 4}, ["n7", "n6", "n3", "n1"]),
        ({"ranks": (2, 3), "negatives_per_query": 2}, ["n7", "n6"]),
        ({"ranks": (5, 9)}, ["n1"]),
        ({"ranks": (6, 10)}, []),
        ({"margin": 0.0}, ["n7", "n6", "n3", "n1"]),  # at most 0.8
        ({"margin": 0.15}, ["n6", "n3", "n1"]),  # at most 0.65
        ({"margin": -0.2}, ["n9", "n7", "n6", "n3", "n1"]),  # at most 1.0
        ({"relative_margin": 0.05}, ["n7", "n6", "n3", "n1"]),  # at most 0.76
        ({"relative_margin": 0.2}, ["n6", "n3", "n1"]),  # at most 0.64
        ({"relative_margin": 0.5}, ["n3", "n1"]),  # at most 0.4
        ({"max_score": 0.65}, ["n6", "n3", "n1"]),
        ({"margin": 0.15, "max_score": 0.5}, ["n3", "n1"]),
        ({"ranks": (1, 2), "margin": 0.0, "negatives_per_query": 2}, ["n7"]),
    ],
)
def test_each_rule_refuses_what_it_says(model, rules, expected):
    if "ranks" in rules:
        count = rules["ranks"][1] - rules["ranks"][0] + 1
        rules = {"negatives_per_query": count, **rules}
    assert found(mine(model, rules)) == expected


def test_a_relative_margin_is_below_a_partner_of_negative_similarity_too(look_up):
    model = look_up({"q": [1.0], "p": [-0.5], "a": [-0.48], "b": [-0.52], "c": [-0.6]})
    mined = mine(model, {"relative_margin": 0.1}, corpus=["a", "b", "c"])
    assert found(mined) == ["c"]  # at most -0.55


def test_the_least_similar_of_several_partners_counts(look_up):
    model = look_up({**VECTORS, "p2": [0.65, 0.0]})
    samples = [*SAMPLES, SimilarityPairSample("q", "p2")]
    mined = mine(model, {"margin": 0.0}, samples=samples)
    assert found(mined) == ["n6", "n3", "n1"]
    assert mined.report.positive_score == pytest.approx(0.65)


def test_the_guide_refuses_what_it_holds_as_similar_as_the_partner(model, look_up):
    guide = look_up(
        {
            "q": [1.0, 0.0], "p": [0.5, 0.0], "n9": [0.9, 0.0], "n7": [0.45, 0.0],
            "n6": [0.5, 0.0], "n3": [0.3, 0.0], "n1": [0.0, 1.0],
        }
    )  # fmt: skip
    mined = mine(model, guide=guide)
    assert found(mined) == ["n7", "n3", "n1"]  # 0.9 and 0.5 are not below 0.5
    assert mined.report.refused == {"guide": 2}
    assert found(mine(model, {"guide_margin": 0.1}, guide=guide)) == ["n3", "n1"]


def test_what_the_pairs_know_to_be_similar_is_not_found(model):
    samples = [
        SimilarityPairSample("q", "p", subgroup="s"),
        SimilarityPairSample("n3", "n9", subgroup="s"),  # one subgroup with q, both of them
        SimilarityPairSample("n7", "q", score=0.6),  # the other way round
        SimilarityPairSample("q", "n6", score=0.0),  # a negative already
    ]
    mined = mine(model, samples=samples, corpus=[*CORPUS, "q"])
    assert [pair.obj_b for pair in mined[4:] if pair.obj_a == "q"] == ["n1"]


def test_a_hard_negative_of_a_subgroup_is_no_member_of_it(model):
    samples = [
        SimilarityPairSample("q", "p", subgroup="s"),
        SimilarityPairSample("n6", "n7", score=0.0, subgroup="s"),
    ]
    assert "n7" in found(mine(model, samples=samples)[2:])


def test_pairs_without_a_subgroup_do_not_share_one(model):
    samples = [SimilarityPairSample("q", "p"), SimilarityPairSample("n9", "n7")]
    mined = mine(model, {"negatives_per_query": 1}, samples=samples)
    assert [(pair.obj_a, pair.obj_b) for pair in mined[2:]] == [("q", "n9"), ("n9", "p")]


def test_the_corpus_is_every_obj_b_if_none_is_given(model):
    samples = [*SAMPLES, SimilarityPairSample("n7", "n3"), SimilarityPairSample("n1", "n6", 0.0)]
    mined = mine(model, samples=samples, corpus=None)
    assert mined.report.corpus == 3
    assert [pair.obj_b for pair in mined[3:] if pair.obj_a == "q"] == ["n6", "n3"]


def test_equal_objects_count_once(look_up):
    model = look_up({("q",): [1.0], ("p",): [0.9], ("n",): [0.5], ("m",): [0.1]})
    samples = [SimilarityPairSample(("q",), ("p",)), SimilarityPairSample(("q",), ("p",))]
    mined = mine(model, samples=samples, corpus=[("n",), ("p",), ("n",), ("m",)])
    assert found(mined) == [("n",), ("m",)]
    assert (mined.report.queries, mined.report.corpus) == (1, 3)


def test_new_pairs_state_the_score_0_and_the_subgroup_of_the_query(model):
    samples = [SimilarityPairSample("q", "p", subgroup=("s", 3))]
    mined = mine(model, {"negatives_per_query": 1}, samples=samples)
    assert mined[1] == SimilarityPairSample("q", "n9", score=0.0, subgroup=("s", 3))


def test_the_report_counts_each_candidate_once(model):
    rules = {"margin": 0.05, "max_score": 0.65, "ranks": (1, 4), "negatives_per_query": 3}
    report = mine(model, rules).report
    assert report.considered == 4  # n9, n7, n6, n3
    assert report.refused == {"margin": 1, "max score": 1}
    assert (report.found, report.short) == (2, 1)
    assert report.positive_score == pytest.approx(0.8)
    assert report.negative_score == pytest.approx((0.6 + 0.3) / 2)
    assert "refused by margin: 1, by max score: 1" in str(report)


def test_nothing_found_is_no_error(model):
    mined = mine(model, {"max_score": -1.0})
    assert mined == SAMPLES
    assert math.isnan(mined.report.negative_score)


def random_task(seed=0, queries=30, objects=80):
    generator = torch.Generator().manual_seed(seed)
    names = [f"q{n}" for n in range(queries)] + [f"d{n}" for n in range(objects)]
    vectors = torch.randn(len(names), 5, generator=generator).tolist()
    samples = [
        SimilarityPairSample(f"q{n}", f"d{n % objects}", subgroup=n % 7) for n in range(queries)
    ]
    return dict(zip(names, vectors, strict=True)), samples, names[queries:]


@pytest.mark.parametrize("distance", ["cosine", "euclidean", "dot_product", "manhattan"])
def test_it_is_what_sorting_all_similarities_finds(look_up, distance):
    vectors, samples, corpus = random_task()
    model = look_up(vectors)
    rules = MiningRules(negatives_per_query=4, ranks=(3, 20), margin=0.01, distance=distance)
    mined = mine_hard_negatives(model, samples, corpus, rules, batch_size=7)
    subgroup_of = {sample.obj_b: sample.subgroup for sample in samples}
    similarity = Distance.get_by_name(distance).similarity
    expected = []
    for sample in samples:
        query = torch.tensor([vectors[sample.obj_a]])
        score = {name: similarity(query, torch.tensor([vectors[name]])).item() for name in corpus}
        allowed = [name for name in corpus if subgroup_of.get(name) != sample.subgroup]
        ranked = sorted(allowed, key=score.get, reverse=True)[2:20]
        limit = score[sample.obj_b] - 0.01
        expected += [(sample.obj_a, name) for name in ranked if score[name] <= limit][:4]
    assert [(pair.obj_a, pair.obj_b) for pair in mined[len(samples) :]] == expected


def test_small_blocks_find_the_same(look_up, monkeypatch):
    vectors, samples, corpus = random_task()
    rules = MiningRules(negatives_per_query=3, ranks=(1, 30), relative_margin=0.05)
    whole = mine_hard_negatives(look_up(vectors), samples, corpus, rules)
    monkeypatch.setattr(top_k_module, "CORPUS_BLOCK", 7)
    monkeypatch.setattr(top_k_module, "MAX_BLOCK_ELEMENTS", 40)
    in_blocks = mine_hard_negatives(look_up(vectors), samples, corpus, rules)
    assert in_blocks == whole
    assert in_blocks.report == whole.report


def test_random_choices_are_among_those_that_count_and_repeat_with_the_seed(look_up):
    vectors, samples, corpus = random_task()
    model = look_up(vectors)
    everything = MiningRules(negatives_per_query=20, ranks=(1, 20), relative_margin=0.1)
    allowed = {(p.obj_a, p.obj_b) for p in mine_hard_negatives(model, samples, corpus, everything)}
    rules = [
        MiningRules(
            negatives_per_query=3, choose="random", ranks=(1, 20), relative_margin=0.1, seed=seed
        )
        for seed in (0, 0, 1)
    ]
    first, again, other = (mine_hard_negatives(model, samples, corpus, rule) for rule in rules)
    assert {(pair.obj_a, pair.obj_b) for pair in first} <= allowed
    assert len({(pair.obj_a, pair.obj_b) for pair in first}) == len(first)
    assert first == again
    assert first != other


def test_random_choices_are_fair(model):
    counts = dict.fromkeys(["n9", "n7", "n6"], 0)
    for seed in range(300):
        rules = {"choose": "random", "ranks": (1, 3), "negatives_per_query": 1, "seed": seed}
        counts[found(mine(model, rules))[0]] += 1
    assert min(counts.values()) > 70  # 100 are expected, the standard deviation is 8


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"negatives_per_query": 0}, "at least 1, got 0"),
        ({"ranks": (0, 10)}, "counted from 1"),
        ({"ranks": (5, 4)}, "a first and a last rank"),
        ({"ranks": (1, 2), "negatives_per_query": 3}, "at least 3 ranks"),
        ({"choose": "best"}, "'top' or 'random', got 'best'"),
        ({"relative_margin": 5}, "from 0 to 1, got 5. For a difference"),
        ({"distance": "cos"}, "no distance 'cos'"),
    ],
)
def test_rules_that_cannot_be_are_refused(rules, message):
    with pytest.raises(ValueError, match=message):
        MiningRules(**rules)


def test_samples_that_cannot_be_mined_for_are_refused(model):
    with pytest.raises(ValueError, match="none of the 1 samples has a score above 0"):
        mine(model, samples=[SimilarityPairSample("q", "p", score=0.0)])
    with pytest.raises(ValueError, match="corpus is empty"):
        mine(model, corpus=[])
    with pytest.raises(TypeError, match="SimilarityGroupSample"):
        mine(model, samples=[SimilarityGroupSample("q", 1)])


@pytest.mark.parametrize("kind", [np.array, lambda names: np.array(names, dtype=object), iter])
def test_a_corpus_may_be_an_array_or_an_iterator(model, kind):
    mined = mine(model, corpus=kind(CORPUS))
    assert found(mined) == found(mine(model))
    assert {type(pair.obj_b) for pair in mined} == {str}


def test_rows_of_a_matrix_are_objects_of_a_corpus():
    corpus = Queries(SAMPLES, np.arange(6.0).reshape(3, 2)).corpus
    assert [row.tolist() for row in corpus] == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]


def test_a_corpus_that_is_one_text_is_refused(model):
    with pytest.raises(
        TypeError, match="Expected a sequence of objects as corpus, got a single text"
    ):
        mine(model, corpus="n1 n3")


def test_a_report_without_hard_negatives_shows_no_number_for_them(model):
    report = mine(model, {"max_score": -2.0}).report
    assert report.found == 0
    assert "nan" not in str(report)
    assert str(report).endswith("Mean similarity: 0.8000 to partners.")
