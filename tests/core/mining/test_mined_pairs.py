import pytest
import torch

from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample
from quaterion_core.mining import MinedPairs, MiningRules, mine_hard_negatives

SAMPLES = [SimilarityPairSample(f"q{n}", f"d{n}", subgroup=n // 2) for n in range(20)]
RULES = MiningRules(negatives_per_query=3, ranks=(1, 10), relative_margin=0.05)


@pytest.fixture
def models(look_up):
    generator = torch.Generator().manual_seed(0)
    names = [f"{kind}{n}" for kind in "qd" for n in range(20)]
    return [
        look_up(dict(zip(names, torch.randn(40, 4, generator=generator).tolist(), strict=True)))
        for _ in range(2)
    ]


def negatives(pairs):
    found = {}
    for pair in list(pairs)[len(SAMPLES) :]:
        assert pair.score == 0.0
        found.setdefault(pair.obj_a, []).append(pair.obj_b)
    return found


def test_there_are_always_as_many_for_each_query_and_all_of_them_may_be(models):
    pairs = MinedPairs(SAMPLES, rules=RULES)
    for model in (None, *models):
        if model is not None:
            pairs.mine(model)
        assert len(pairs) == 20 + 60
        assert [pairs[index] for index in range(20)] == SAMPLES
        for query, found in negatives(pairs).items():
            assert len(set(found)) == 3
            own = int(query[1:]) // 2
            assert not {f"d{2 * own}", f"d{2 * own + 1}"} & set(found)


def test_mining_gives_what_mining_once_gives_and_random_ones_where_that_is_too_little(models):
    pairs = MinedPairs(SAMPLES, rules=RULES)
    report = pairs.mine(models[0])
    mined = mine_hard_negatives(models[0], SAMPLES, rules=RULES)
    assert report == mined.report == pairs.report
    assert 0 < report.short < 20
    for query, found in negatives(mined).items():
        assert negatives(pairs)[query][: len(found)] == found


def test_what_is_found_depends_on_the_model_and_is_repeatable(models):
    first, second = MinedPairs(SAMPLES, rules=RULES), MinedPairs(SAMPLES, rules=RULES)
    assert list(first) == list(second)
    history = []
    for model in models:
        first.mine(model)
        second.mine(model)
        assert list(first) == list(second)
        history.append(list(first))
    assert history[0] != history[1]
    assert first.revision == 2


def test_an_index_counts_from_the_end_too_and_has_its_limits():
    pairs = MinedPairs(SAMPLES, rules=RULES)
    assert pairs[-1] == pairs[len(pairs) - 1]
    with pytest.raises(IndexError):
        pairs[len(pairs)]


def test_a_query_with_few_possible_negatives_gets_some_twice():
    samples = [SimilarityPairSample(f"q{n}", "d0") for n in range(3)]
    samples += [SimilarityPairSample("r", "d1"), SimilarityPairSample("q0", "d1")]
    pairs = MinedPairs(samples, corpus=["d0", "d1", "d2"], rules=RULES)
    found = {}
    for pair in list(pairs)[len(samples) :]:
        found.setdefault(pair.obj_a, []).append(pair.obj_b)
    assert found["q0"] == ["d2", "d2", "d2"]
    assert set(found["q1"]) == {"d1", "d2"}


def test_a_query_without_a_possible_negative_is_named():
    samples = [SimilarityPairSample("lonely", "d0"), SimilarityPairSample("lonely", "d1")]
    with pytest.raises(ValueError, match="no negative for the query 'lonely'.*larger corpus"):
        MinedPairs(samples)


def test_workers_that_stay_see_new_negatives(models):
    pairs = MinedPairs(SAMPLES, rules=RULES)
    loader = PairsSimilarityDataLoader(
        pairs, batch_size=len(pairs), num_workers=1, persistent_workers=True
    )
    for model in (None, *models):
        if model is not None:
            pairs.mine(model)
        objects, _ = next(iter(loader))
        assert objects == [p.obj_a for p in pairs] + [p.obj_b for p in pairs]
