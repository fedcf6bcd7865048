"""Each check of a dataset fails a dataset that has the fault which it catches, and no good one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from quaterion_core.dataset import SimilarityGroupSample, SimilarityPairSample, SplitDataset
from quaterion_core.testing import Status, check_dataset
from quaterion_core.testing.dataset_checks import DATASET_CHECKS

WORDS = ["red", "green", "blue", "yellow", "black", "white", "orange", "violet"]


@pytest.fixture(autouse=True)
def _module_can_be_imported(monkeypatch):
    # Another process imports this module by its name, seen from the root of the repository.
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))


class Good(SplitDataset):
    """Pairs of a word and the same in capitals."""

    def __init__(self, count=8):
        self.count = count

    @property
    def splits(self):
        return ("train", "test")

    def words(self):
        return WORDS[: self.count]

    def load(self, split):
        self.check_split(split)
        return [SimilarityPairSample(f"{split} {word}", word.upper()) for word in self.words()]

    def get_config_dict(self):
        return {"count": self.count}


class NotBuilt(Good):
    def __init__(self):
        raise FileNotFoundError("words.txt")


class NoDataset:
    splits = ("train",)

    def load(self, split):
        return []


class ListsTwice(Good):
    @property
    def splits(self):
        return ("train", "train")


class MixesKinds(Good):
    def load(self, split):
        return [*super().load(split), SimilarityGroupSample("grey", group=1)]


class IsEmpty(Good):
    def words(self):
        return []


class HasGroupsWithoutIdentity(Good):
    def load(self, split):
        return [SimilarityGroupSample(word, group=object()) for word in self.words()]


class Shuffles(Good):
    def words(self):
        return random.sample(WORDS, len(WORDS))


class TakesASet(Good):
    def words(self):
        return list(set(WORDS))


class LoadsAnything(Good):
    def load(self, split):
        return [SimilarityPairSample(word, word.upper()) for word in self.words()]


class SaysLittle(Good):
    def load(self, split):
        if split not in self.splits:
            raise KeyError(split)
        return super().load(split)


class ForgetsAnArgument(Good):
    def get_config_dict(self):
        return {}


class KeepsALambda(Good):
    def __init__(self, count=8):
        super().__init__(count)
        self.upper = lambda word: word.upper()


MUTANTS = {
    "construction": [NotBuilt],
    "interface": [NoDataset],
    "splits": [ListsTwice],
    "samples": [MixesKinds, IsEmpty, HasGroupsWithoutIdentity],
    "order": [Shuffles],
    "other_process": [TakesASet],
    "unknown_split": [LoadsAnything, SaysLittle],
    "config_round_trip": [lambda: ForgetsAnArgument(3)],
    "picklable": [KeepsALambda],
}


def test_a_good_dataset_passes_all_checks():
    report = check_dataset(lambda: Good(5))
    report.raise_for_failures()
    assert report.ran == len(DATASET_CHECKS)


def test_each_check_has_a_mutant():
    assert list(MUTANTS) == list(DATASET_CHECKS)


@pytest.mark.parametrize(
    ("name", "mutant"), [(name, mutant) for name, several in MUTANTS.items() for mutant in several]
)
def test_a_check_fails_what_it_catches(name, mutant):
    result = check_dataset(mutant)[name]
    assert result.status is Status.FAILED, result
    assert result.message
    assert result.way_out == DATASET_CHECKS[name].way_out


def test_an_order_by_hash_is_found_only_in_another_process():
    report = check_dataset(TakesASet)
    assert report["order"].status is Status.PASSED
    assert report["other_process"].status is Status.FAILED
