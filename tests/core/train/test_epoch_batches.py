import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Sampler

from quaterion_core.train.epoch_batches import EpochBatches, LoaderPlan, ordered_plan, share


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
    with pytest.raises(ValueError, match="A batch of 2 samples cannot be shared by 3 processes"):
        share([[0, 1]], 0, 3)


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
    assert batches.length(0, 1) == 3
    for seed, expected in {
        1: [[1, 0], [1, 1], [1, 2]],
        2: [[2, 0], [2, 1], [3, 0]],
    }.items():
        batches.start(seed, rank=0, processes=1)
        assert list(batches) == expected
    batches.start(2, rank=0, processes=1, skip=2)
    assert list(batches) == [[3, 0]]
