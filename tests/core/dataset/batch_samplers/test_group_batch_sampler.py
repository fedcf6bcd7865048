from collections import Counter

import pytest
import torch

from quaterion_core.dataset import GroupBatchSampler, SampleFacts


def facts_of(sizes):
    groups = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)) * 10**12
    return SampleFacts({"groups": groups}, torch.arange(len(groups)).unsqueeze(1))


def batches_of(facts, batch_size, samples_per_group, seed=0):
    sampler = GroupBatchSampler(samples_per_group)
    return sampler.batches(facts, batch_size, torch.Generator().manual_seed(seed))


def groups_of(facts, batch):
    return Counter(facts.targets["groups"][batch].tolist())


def test_groups_of_equal_size_make_batches_of_exactly_p_times_k():
    facts = facts_of([20] * 24)
    batches = batches_of(facts, batch_size=32, samples_per_group=4)
    assert len(batches) == 15
    for batch in batches:
        assert sorted(groups_of(facts, batch).values()) == [4] * 8


@pytest.mark.parametrize("samples_per_group", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("seed", range(3))
def test_every_sample_occurs_once_and_no_group_has_more_than_k(samples_per_group, seed):
    generator = torch.Generator().manual_seed(seed)
    facts = facts_of(torch.randint(1, 30, (40,), generator=generator).tolist())
    batches = batches_of(facts, 8 * samples_per_group, samples_per_group, seed)
    assert sorted(index for batch in batches for index in batch) == list(range(len(facts)))
    for batch in batches:
        assert len(batch) <= 8 * samples_per_group
        assert max(groups_of(facts, batch).values()) <= samples_per_group


@pytest.mark.parametrize("samples_per_group", [3, 4, 5])
def test_only_the_single_sample_of_a_group_is_without_a_positive(samples_per_group):
    sizes = [1, 2, *range(3, 30), 1]
    facts = facts_of(sizes)
    alone = [
        group
        for batch in batches_of(facts, 8 * samples_per_group, samples_per_group)
        for group, count in groups_of(facts, batch).items()
        if count == 1
    ]
    assert sorted(alone) == [0, 29 * 10**12]


def test_chunks_are_spread_evenly():
    facts = facts_of([2] * 12)  # 12 chunks at P = 8: two batches of 6 rather than 8 and 4
    assert [len(groups_of(facts, batch)) for batch in batches_of(facts, 16, 2)] == [6, 6]


def test_a_group_that_is_in_every_batch_is_there_once():
    sizes = [40, 40, *[4] * 20]  # 40 chunks at P = 4 make 10 batches, as many as a large group has
    facts = facts_of(sizes)
    for seed in range(5):
        for batch in batches_of(facts, 16, 4, seed):
            assert sorted(groups_of(facts, batch).values()) == [4] * 4


def test_a_group_too_large_for_that_is_spread_as_evenly_as_can_be():
    facts = facts_of([56, 24])  # 14 and 6 chunks, 10 batches of 2
    batches = batches_of(facts, 8, 4)
    assert sorted(groups_of(facts, batch)[0] for batch in batches) == [4] * 6 + [8] * 4


def test_other_groups_come_together_from_batch_to_batch():
    """Assigning groups in turn would put the same groups together in the whole epoch."""
    facts = facts_of([80] * 40)
    batches = batches_of(facts, 40, 4)
    together = Counter(frozenset(groups_of(facts, batch)) for batch in batches)
    assert len(batches) == 80
    assert max(together.values()) <= 2


def test_one_seed_gives_one_order_and_another_seed_another():
    facts = facts_of([7] * 20)
    assert batches_of(facts, 20, 4, seed=5) == batches_of(facts, 20, 4, seed=5)
    assert batches_of(facts, 20, 4, seed=5) != batches_of(facts, 20, 4, seed=6)


def test_a_batch_size_that_k_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="a multiple of samples_per_group=4 .* got 30"):
        batches_of(facts_of([4] * 8), 30, 4)


def test_pairs_are_refused_with_the_way_out():
    facts = SampleFacts(
        {"labels": torch.ones(2), "subgroups": torch.tensor([1, 2])},
        torch.tensor([[0, 1], [2, 3]]),
    )
    with pytest.raises(ValueError, match="Expected samples with a group .*'no-duplicates'"):
        batches_of(facts, 4, 2)


def test_no_samples_per_group_are_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        GroupBatchSampler(0)
