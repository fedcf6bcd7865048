import itertools
import random

import pytest
import torch

from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    NoDuplicatesBatchSampler,
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
    read_facts,
)


def batches_of(samples, batch_size, seed=0, left_out=0):
    of_pairs = isinstance(samples[0], SimilarityPairSample)
    loader = (PairsSimilarityDataLoader if of_pairs else GroupSimilarityDataLoader)(samples)
    generator = torch.Generator().manual_seed(seed)
    indices = NoDuplicatesBatchSampler().batches(read_facts(loader), batch_size, generator)
    seen = [*itertools.chain(*indices)]
    assert len(set(seen)) == len(seen) == len(samples) - left_out
    assert all(0 < len(batch) <= batch_size for batch in indices)
    return [[samples[index] for index in batch] for batch in indices]


def random_pairs(count, objects, seed, subgroups=None):
    chance = random.Random(seed)
    return [
        SimilarityPairSample(
            f"q{chance.randrange(objects)}",
            f"a{chance.randrange(objects)}",
            subgroup=chance.choice([None, chance.randrange(subgroups)]) if subgroups else None,
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_no_object_and_no_subgroup_is_in_two_pairs_of_a_batch(seed):
    for batch in batches_of(random_pairs(300, 40, seed, subgroups=50), 16, seed):
        objects = [obj for pair in batch for obj in {pair.obj_a, pair.obj_b}]
        subgroups = [pair.subgroup for pair in batch if pair.subgroup is not None]
        assert len(set(objects)) == len(objects)
        assert len(set(subgroups)) == len(subgroups)


def test_a_query_that_is_the_partner_of_another_counts_as_equal():
    samples = [SimilarityPairSample(n, n + 1) for n in range(40)]
    for batch in batches_of(samples, 8):
        objects = [obj for pair in batch for obj in (pair.obj_a, pair.obj_b)]
        assert len(set(objects)) == len(objects)


def test_equal_objects_of_groups_are_kept_apart():
    samples = [SimilarityGroupSample(n % 20, group=n % 3) for n in range(60)]
    for batch in batches_of(samples, 10):
        assert len({sample.obj for sample in batch}) == len(batch)


def test_distinct_samples_make_full_batches():
    samples = [SimilarityPairSample(f"q{n}", f"a{n}") for n in range(103)]
    assert [len(batch) for batch in batches_of(samples, 10)] == [10] * 10 + [3]


def has_copies(batch):
    objects = [obj for pair in batch for obj in (pair.obj_a, pair.obj_b)]
    return len(set(objects)) < len(objects)


@pytest.mark.parametrize("batch_size", [4, 8, 16, 64])
def test_an_answer_of_half_of_the_pairs_is_once_in_each_batch(batch_size):
    """300 of 600 pairs have one answer: as many batches as without a sampler, of equal sizes."""
    samples = [SimilarityPairSample(f"q{n}", f"a{min(n, 300)}") for n in range(600)]
    count = -(-600 // batch_size)
    batches = batches_of(samples, batch_size, left_out=max(0, 300 - count))
    assert len(batches) == count
    assert not any(map(has_copies, batches))
    sizes = [len(batch) for batch in batches]
    assert min(sizes) >= 2
    assert sum(size < max(sizes) for size in sizes) <= 1


def test_other_pairs_are_left_out_in_another_epoch():
    samples = [SimilarityPairSample(f"q{n}", f"a{min(n, 300)}") for n in range(600)]
    first, second = (
        {pair.obj_a for batch in batches_of(samples, 8, seed, left_out=225) for pair in batch}
        for seed in (0, 1)
    )
    # 75 of 300 are drawn twice: 18.75 are expected in both.
    assert len((first & second) - {f"q{n}" for n in range(300)}) < 45


@pytest.mark.parametrize("skew", [0.0, 1.0])
def test_there_are_as_many_batches_as_the_data_allow(skew):
    """20,000 pairs over 200 answers, of equal frequency or of frequencies 1, 1/2, 1/3, ..."""
    frequencies = torch.arange(1.0, 201.0) ** -skew
    generator = torch.Generator().manual_seed(0)
    answers = torch.multinomial(frequencies, 20_000, replacement=True, generator=generator)
    batches = -(-20_000 // 128)
    most = int(answers.bincount().clamp(max=batches).sum())
    samples = [SimilarityPairSample(f"q{n}", f"a{a}") for n, a in enumerate(answers.tolist())]
    found = batches_of(samples, 128, left_out=20_000 - most)
    assert len(found) == batches
    assert not any(map(has_copies, found))


def test_few_answers_make_small_batches_without_leaving_anything_out():
    samples = [SimilarityPairSample(f"q{n}", f"a{n % 3}") for n in range(60)]
    assert [len(batch) for batch in batches_of(samples, 16)] == [3] * 20


def test_every_pair_of_rare_answers_meets_in_some_epoch():
    samples = [SimilarityPairSample(f"q{n}", f"a{n // 4}") for n in range(80)]
    met = {
        frozenset((one.obj_b, other.obj_b))
        for seed in range(20)
        for batch in batches_of(samples, 8, seed)
        for one, other in itertools.combinations(batch, 2)
    }
    assert len(met) == 20 * 19 / 2


def test_a_last_single_pair_gets_company():
    samples = [SimilarityPairSample(f"q{n}", f"a{n}") for n in range(101)]
    assert [len(batch) for batch in batches_of(samples, 10)] == [9] + [10] * 9 + [2]


def test_a_batch_size_of_one_and_a_single_pair_are_what_was_asked_for():
    samples = [SimilarityPairSample(f"q{n}", f"a{n}") for n in range(3)]
    assert [len(batch) for batch in batches_of(samples, 1)] == [1, 1, 1]
    assert [len(batch) for batch in batches_of(samples[:1], 8)] == [1]


def test_data_without_two_pairs_that_go_together_are_refused():
    samples = [SimilarityPairSample(f"q{n}", "yes") for n in range(40)]
    with pytest.raises(ValueError, match="No two of the 40 samples may share a batch"):
        batches_of(samples, 8)


def test_a_sampler_tells_whether_samples_go_together():
    samples = [SimilarityPairSample(f"q{n}", f"a{n % 3}") for n in range(6)]
    facts = read_facts(PairsSimilarityDataLoader(samples))
    assert NoDuplicatesBatchSampler().may_join(facts, [0, 1, 5])
    assert not NoDuplicatesBatchSampler().may_join(facts, [0, 1, 3])


@pytest.mark.parametrize("seed", range(5))
def test_hard_negatives_stay_with_a_similar_pair_of_their_query(seed):
    samples = [SimilarityPairSample(f"q{n % 30}", f"a{n}", subgroup=n % 30) for n in range(60)]
    samples += [
        SimilarityPairSample(f"q{n % 30}", f"a{(7 * n + 1) % 60}", 0.0, subgroup=n % 30)
        for n in range(90)
    ]
    for batch in batches_of(samples, 20, seed):
        similar = {pair.obj_a: pair.obj_b for pair in batch if pair.score > 0}
        assert len(similar) == sum(pair.score > 0 for pair in batch)
        negatives = [pair for pair in batch if pair.score == 0]
        assert {pair.obj_a for pair in negatives} <= similar.keys()
        for pair in negatives:
            assert pair.obj_b not in set(similar.values()) - {similar[pair.obj_a]}


def test_hard_negatives_of_a_query_are_dealt_to_its_similar_pairs_in_turn():
    samples = [SimilarityPairSample("q", f"a{n}") for n in range(3)]
    samples += [SimilarityPairSample("q", f"n{n}", 0.0) for n in range(6)]
    batches = batches_of(samples, 10)
    assert [sorted(pair.score for pair in batch) for batch in batches] == [[0.0, 0.0, 1.0]] * 3


def test_queries_of_a_batch_may_share_a_hard_negative():
    samples = [SimilarityPairSample(f"q{n}", f"a{n}") for n in range(4)]
    samples += [SimilarityPairSample(f"q{n}", "hub", 0.0) for n in range(4)]
    assert [len(batch) for batch in batches_of(samples, 8)] == [8]


def test_the_hard_negative_of_one_query_is_kept_from_the_batch_where_it_is_right():
    samples = [
        SimilarityPairSample("q0", "a0"),
        SimilarityPairSample("q0", "a1", 0.0),
        SimilarityPairSample("q1", "a1"),
    ]
    for seed in range(10):  # in a batch of its own, "q1" has nothing to be compared with
        (batch,) = batches_of(samples, 8, seed, left_out=1)
        assert sorted(pair.obj_b for pair in batch) == ["a0", "a1"]
        assert {pair.obj_a for pair in batch} == {"q0"}


def test_more_hard_negatives_than_fit_are_left_out():
    samples = [SimilarityPairSample("q", "a")]
    samples += [SimilarityPairSample("q", f"n{n}", 0.0) for n in range(5)]
    (batch,) = batches_of(samples, 4, left_out=2)
    assert sorted(pair.score for pair in batch) == [0, 0, 0, 1]


def test_negatives_without_a_similar_pair_are_samples_like_others():
    samples = [SimilarityPairSample(f"q{n}", f"n{n}", 0.0) for n in range(8)]
    assert [len(batch) for batch in batches_of(samples, 4)] == [4, 4]


def test_units_of_several_sizes_leave_no_batch_open_for_ever():
    samples = [SimilarityPairSample(f"q{n}", f"a{n}") for n in range(100)]
    samples += [SimilarityPairSample(f"q{n}", f"n{n}.{m}", 0.0) for n in range(100) for m in (0, 1)]
    batches = batches_of(samples, 8)  # two queries with two hard negatives each
    assert [len(batch) for batch in batches] == [6] * 50


def test_one_seed_gives_one_order_and_another_seed_another():
    samples = random_pairs(100, 30, seed=0)
    assert batches_of(samples, 8, seed=1) == batches_of(samples, 8, seed=1)
    assert batches_of(samples, 8, seed=1) != batches_of(samples, 8, seed=2)
