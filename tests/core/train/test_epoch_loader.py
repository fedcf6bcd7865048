import random
from itertools import chain, cycle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler, get_worker_info

from quaterion_core.train.epoch_loader import epoch_loader


def loader(**arguments):
    return epoch_loader(
        DataLoader(range(10), batch_size=3, shuffle=True, collate_fn=list, **arguments)
    )


def test_every_epoch_has_all_samples_in_another_order():
    torch.manual_seed(0)
    loaded = loader()
    first, second = list(loaded), list(loaded)
    assert len(loaded) == len(first) == 4
    assert first != second
    for epoch in (first, second):
        assert sorted([*chain.from_iterable(epoch)]) == [*range(10)]


def test_the_global_seed_decides_the_order():
    epochs = []
    for _ in range(2):
        torch.manual_seed(3)
        epochs.append(list(loader()))
    assert epochs[0] == epochs[1]


@pytest.mark.parametrize("done", [0, 1, 3])
def test_another_loader_goes_on_in_mid_epoch(done):
    torch.manual_seed(0)
    interrupted = loader()
    epoch = iter(interrupted)
    for _ in range(done):
        next(epoch)
    state = interrupted.state_dict()
    assert state["position"] == done
    rest = list(epoch)
    torch.manual_seed(1)
    resumed = loader()
    resumed.load_state_dict(state)
    if done:
        assert list(resumed) == rest
    assert sorted([*chain.from_iterable(resumed)]) == [*range(10)]  # a whole epoch again


def test_an_epoch_that_was_at_its_end_is_followed_by_a_whole_one():
    finished = loader()
    list(finished)
    resumed = loader()
    resumed.load_state_dict(finished.state_dict())
    assert len(list(resumed)) == 4


def in_mid_epoch():
    interrupted = loader()
    next(iter(interrupted))
    return interrupted.state_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": 11}, "the number of samples was 11 and is now 10"),
        ({"batch_size": 6, "processes": 2}, "processes was 6 and is now 3.*saved by 2 processes"),
    ],
)
def test_a_state_of_other_batches_is_refused_in_mid_epoch(change, message):
    with pytest.raises(ValueError, match=f"after batch 1 of 4 of an epoch.*{message}"):
        loader().load_state_dict({**in_mid_epoch(), **change})


def test_a_state_of_other_batches_at_the_end_of_an_epoch_is_reported():
    finished = loader()
    list(finished)
    resumed = loader()
    with pytest.warns(UserWarning, match="resumed with other batches than it was saved with"):
        resumed.load_state_dict({**finished.state_dict(), "samples": 11})
    assert sorted([*chain.from_iterable(resumed)]) == [*range(10)]


def test_as_many_samples_in_a_step_by_more_processes_are_the_same_batches():
    state = {**in_mid_epoch(), "processes": 3}
    resumed = loader()
    resumed.load_state_dict(state)
    assert len(list(resumed)) == 3


def test_a_fixed_order_takes_no_random_numbers():
    torch.manual_seed(0)
    fixed = epoch_loader(DataLoader(range(10), batch_size=3, shuffle=True), fixed_order=True)
    first, second = ([batch.tolist() for batch in fixed] for _ in range(2))
    assert first == second
    drawn = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(1))


def test_workers_are_kept_and_augment_anew_in_each_epoch():
    augmented = epoch_loader(
        DataLoader(range(4), batch_size=2, num_workers=1, persistent_workers=True, collate_fn=noise)
    )
    first, second = (torch.cat(list(augmented)) for _ in range(2))
    assert not torch.equal(first, second)


def noise(samples):
    return torch.rand(len(samples)) + random.random() + np.random.rand()


class Noise(Dataset):
    """Augments in three ways, and looks at itself in its workers."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        info = get_worker_info()
        assert info is None or isinstance(info.dataset, Noise)
        return index + torch.rand(1)


@pytest.mark.parametrize("persistent", [False, True])
def test_random_numbers_do_not_depend_on_workers(persistent):
    epochs = []
    for workers in (0, 2):
        torch.manual_seed(0)
        loaded = epoch_loader(
            DataLoader(
                Noise(), batch_size=3, shuffle=True, num_workers=workers,
                persistent_workers=persistent and workers > 0,
                collate_fn=lambda samples: torch.cat(samples) + noise(samples),
            )
        )  # fmt: skip
        torch.rand(workers)  # other draws have no influence
        epochs.append([*loaded, *loaded])
    for one, other in zip(*epochs, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("workers", [0, 1])
def test_augmentation_continues_where_it_was(workers):
    def make():
        return epoch_loader(
            DataLoader(Noise(), batch_size=3, num_workers=workers, collate_fn=torch.cat)
        )

    whole = make()
    epoch = iter(whole)
    next(epoch)
    state = whole.state_dict()
    rest = list(epoch)
    resumed = make()
    resumed.load_state_dict(state)
    for one, other in zip(resumed, rest, strict=True):
        assert torch.equal(one, other)


class Stream(IterableDataset):
    """Divides itself over workers, draws random numbers and states a length."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return (n + 0.5 * random.random() for n in range(first, self.count, step))


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_no_sample_of_iterable_data_is_lost(workers):
    streamed = epoch_loader(DataLoader(Stream(103), batch_size=10, num_workers=workers))
    seen = torch.cat(list(streamed)).floor()
    assert sorted(seen.tolist()) == [*range(103)]
    if workers < 2:
        assert len(streamed) == 11
    else:  # 3 workers: 4 batches of each; 2 workers: 6 of each
        with pytest.raises(TypeError, match="is not known"):
            len(streamed)


@pytest.mark.parametrize("workers", [0, 1])
def test_iterable_data_continue_where_they_were(workers):
    def make():
        return epoch_loader(DataLoader(Stream(20), batch_size=4, num_workers=workers))

    whole = make()
    list(whole)
    epoch = iter(whole)
    for _ in range(3):
        next(epoch)
    state = whole.state_dict()
    rest = list(epoch)
    resumed = make()
    resumed.load_state_dict(state)
    random.seed(workers)
    for one, other in zip(resumed, rest, strict=True):
        assert torch.equal(one, other)
    assert len(list(resumed)) == 5  # a whole epoch again


def test_iterable_data_of_another_number_of_processes_are_refused():
    streamed = epoch_loader(DataLoader(Stream(20), batch_size=4))
    next(iter(streamed))
    message = "Expected 2 processes, as when the checkpoint was saved, got 1"
    with pytest.raises(ValueError, match=message):
        streamed.load_state_dict({**streamed.state_dict(), "processes": 2})


def test_a_sampler_without_an_end_is_left_to_the_plain_loader():
    class Endless(Sampler):
        def __iter__(self):
            return cycle(range(3))

    plain = DataLoader(range(3), batch_size=2, sampler=Endless())
    assert epoch_loader(plain) is plain
