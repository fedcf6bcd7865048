from itertools import chain, cycle

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, Sampler

from quaterion_core.train.epoch_loader import EpochLoader, epoch_loader


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


def test_a_state_of_other_data_is_refused():
    state = {**loader().state_dict(), "length": 7}
    with pytest.raises(ValueError, match="in the middle of an epoch of 7 batches, but now"):
        loader().load_state_dict(state)


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
    return torch.rand(len(samples))


def test_iterable_data_are_left_as_they_are():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(range(3))

    plain = DataLoader(Stream(), batch_size=2)
    assert epoch_loader(plain) is plain
    assert not isinstance(plain, EpochLoader)


def test_a_sampler_without_an_end_is_left_to_the_plain_loader():
    class Endless(Sampler):
        def __iter__(self):
            return cycle(range(3))

    plain = DataLoader(range(3), batch_size=2, sampler=Endless())
    assert epoch_loader(plain) is plain
