import random
import warnings

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Sampler

from quaterion_core.dataset import (
    GroupBatchSampler,
    GroupSimilarityDataLoader,
    NoDuplicatesBatchSampler,
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.train.epoch_batches import (
    EpochBatches,
    LoaderPlan,
    SamplerPlan,
    ordered_plan,
    seeded,
    share,
)


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
@pytest.mark.parametrize("samples", [8, 9, 25, 31])
def test_every_sample_is_in_one_share_and_shares_are_equally_many(samples, processes):
    loader = DataLoader(range(samples), batch_size=4, shuffle=True)
    plan = LoaderPlan(loader)(0, processes)
    shares = [share(plan, rank, processes) for rank in range(processes)]
    assert len({len(batches) for batches in shares}) == 1
    assert sorted(i for batches in shares for batch in batches for i in batch) == [*range(samples)]
    for parts in zip(*shares, strict=True):
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1
        assert min(sizes) >= 1


def test_shares_of_a_batch_are_that_batch_in_order():
    plan = LoaderPlan(DataLoader(range(20), batch_size=5, shuffle=True))(7, 2)
    shares = [share(plan, rank, 2) for rank in range(2)]
    assert [first + second for first, second in zip(*shares, strict=True)] == plan


def test_too_few_samples_for_the_processes_are_refused():
    with pytest.raises(ValueError, match="each of 3 processes in a batch, got a batch of 2"):
        share([[0, 1]], 0, 3)


def test_only_a_last_short_batch_joins_another():
    assert share([[0, 1, 2, 3], [4, 5], [6]], 0, 2) == [[0, 1], [4, 5]]
    with pytest.raises(ValueError, match="got a batch of 1 samples"):
        share([[0, 1, 2, 3], [4], [5, 6]], 0, 2)


def test_incomplete_batches_are_dropped_for_all_processes():
    plan = LoaderPlan(DataLoader(range(22), batch_size=4, drop_last=True))
    assert [len(batch) for batch in plan(0, 2)] == [8, 8]


@pytest.mark.parametrize("draw", [random.shuffle, np.random.shuffle])
def test_a_sampler_of_any_library_is_seeded_and_leaves_no_trace(draw):
    class Shuffled(Sampler):
        def __iter__(self):
            order = list(range(12))
            draw(order)
            return iter(order)

        def __len__(self):
            return 12

    plan = LoaderPlan(DataLoader(range(12), batch_size=6, sampler=Shuffled()))
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    expected = random.random(), np.random.rand(), torch.rand(1)
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    assert plan(5, 1) == plan(5, 1) != plan(6, 1)
    assert (random.random(), np.random.rand(), torch.rand(1)) == expected


def test_the_order_of_data_is_kept_whatever_the_sampler():
    loader = DataLoader(range(5), batch_size=2, shuffle=True)
    assert ordered_plan(loader)(3, 1) == [[0, 1], [2, 3], [4]]


def test_every_epoch_has_as_many_batches_as_the_first():
    """A batch sampler may make more of them in one epoch than in another."""
    counts = {0: 3, 1: 5, 2: 2, 3: 3}
    batches = EpochBatches(lambda seed, processes: [[seed, n] for n in range(counts[seed])])
    assert batches.count(0, 0, 1) == 3
    for seed, expected in {
        1: [[1, 0], [1, 1], [1, 2]],
        2: [[2, 0], [2, 1], [3, 0]],
    }.items():
        batches.start(seed, rank=0, processes=1, length=3)
        assert [batch.indices for batch in batches] == expected
    whole = list(batches)
    batches.start(2, rank=0, processes=1, length=3, skip=2)
    assert list(batches) == whole[2:]  # with its seed, too


def test_the_first_epoch_is_planned_once():
    seeds = []

    def plan(seed, processes):
        seeds.append(seed)
        return [[0, 1]]

    batches = EpochBatches(plan)
    assert batches.count(5, 0, 1) == 1
    batches.start(5, rank=0, processes=1, length=1)
    assert seeds == [5]


def test_what_is_drawn_from_a_seed_leaves_no_trace():
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    expected = random.random(), np.random.rand(), torch.rand(1)
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    with seeded(7):
        drawn = random.random(), np.random.rand(), torch.rand(1)
    assert (random.random(), np.random.rand(), torch.rand(1)) == expected
    with seeded(7):
        assert (random.random(), np.random.rand(), torch.rand(1)) == drawn


def plan_of(samples, batch_size, processes):
    loader = PairsSimilarityDataLoader(samples, batch_size=batch_size)
    return SamplerPlan(NoDuplicatesBatchSampler(), loader, processes)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_copies_never_come_together_in_processes(processes):
    """300 of 600 pairs have one answer."""
    samples = [SimilarityPairSample(f"q{n}", f"a{min(n, 300)}") for n in range(600)]
    with pytest.warns(UserWarning, match="leaves 2[0-9]+ of 600 samples out of an epoch"):
        batches = plan_of(samples, 8, processes)(0, processes)
    assert len(batches) == -(-600 // (8 * processes))
    for batch in batches:
        assert len({samples[index].obj_b for index in batch}) == len(batch) >= processes
    assert len({len(share(batches, rank, processes)) for rank in range(processes)}) == 1


def test_samples_that_are_left_out_are_reported_once():
    samples = [SimilarityPairSample(f"q{n}", f"a{min(n, 300)}") for n in range(600)]
    plan = plan_of(samples, 8, 1)
    with pytest.warns(UserWarning, match="leaves 225 of 600 samples") as told:
        plan(0, 1), plan(1, 1)
    assert len(told) == 1


@pytest.mark.parametrize(("answer", "expected"), [("other", [8, 9]), ("a1", [8, 8])])
def test_a_last_short_batch_joins_only_what_it_goes_with(answer, expected):
    class Fixed(NoDuplicatesBatchSampler):
        def batches(self, facts, batch_size, generator):
            return [[*range(8)], [*range(8, 16)], [16]]

    samples = [SimilarityPairSample(f"q{n}", f"a{n}") for n in range(16)]
    samples.append(SimilarityPairSample("q16", answer if answer == "other" else "a9"))
    plan = SamplerPlan(Fixed(), PairsSimilarityDataLoader(samples, batch_size=4), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [len(batch) for batch in plan(0, 2)] == expected


def test_batches_of_one_group_are_counted_once():
    """The large group has more chunks than there are batches with another group."""
    samples = [SimilarityGroupSample(n, group=0) for n in range(64)]
    samples += [SimilarityGroupSample(100 + n, group=1) for n in range(4)]
    loader = GroupSimilarityDataLoader(samples, batch_size=8)
    plan = SamplerPlan(GroupBatchSampler(4), loader, 1)
    with pytest.warns(UserWarning, match="8 of 9 batches .* one group, without negatives") as told:
        batches = [plan(epoch, 1) for epoch in range(2)]
    assert len(told) == 1
    assert sum(max(batch) < 64 for batch in batches[0]) == 8
