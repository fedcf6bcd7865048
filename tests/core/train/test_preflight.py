import pytest
from torch.utils.data import IterableDataset, Sampler

from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample
from quaterion_core.train.preflight import check_shares

PAIRS = [SimilarityPairSample(f"q{n}", f"a{n}") for n in range(12)]


class Endless(Sampler):
    def __iter__(self):
        while True:
            yield 0


class Stream(IterableDataset):
    def __iter__(self):
        return iter(PAIRS)


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        (
            PairsSimilarityDataLoader(PAIRS, batch_size=8, drop_last=True),
            "train_dataloader leaves no step: drop_last=True.* 2 processes, and 12 samples in "
            "batches of 8 fill 1. Use a smaller",
        ),
        (PairsSimilarityDataLoader(PAIRS[:1]), "one sample of train_dataloader for each of 2"),
        (PairsSimilarityDataLoader(PAIRS, sampler=Endless()), "Endless.* has no length"),
    ],
)
def test_data_that_leave_a_process_without_samples_are_refused(loader, message):
    with pytest.raises(ValueError, match=message):
        check_shares(loader, "train_dataloader", 2)
    check_shares(loader, "train_dataloader", 1)


@pytest.mark.parametrize(
    "loader",
    [
        PairsSimilarityDataLoader(PAIRS, batch_size=6, drop_last=True),
        PairsSimilarityDataLoader(PAIRS[:2], batch_size=8),
        PairsSimilarityDataLoader(Stream(), batch_size=8),
    ],
)
def test_data_with_a_step_for_all_are_taken(loader):
    check_shares(loader, "train_dataloader", 2)
