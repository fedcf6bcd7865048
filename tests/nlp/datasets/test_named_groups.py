import pytest

from quaterion_core.dataset import SimilarityGroupSample, SimilarityPairSample, SplitDataset
from quaterion_nlp import NamedGroups


class Samples(SplitDataset):
    splits = ("train", "validation")

    def __init__(self, *samples):
        self.samples = list(samples)

    def load(self, split):
        self.check_split(split)
        return self.samples


INTENTS = Samples(
    SimilarityGroupSample("Where is it?", "card_arrival"),
    SimilarityGroupSample("Stolen!", "lost_or_stolen_card"),
    SimilarityGroupSample("When does it come?", "card_arrival"),
)


def test_each_group_gets_its_name_as_a_text_once():
    assert NamedGroups(INTENTS).load("train") == [
        *INTENTS.samples,
        SimilarityGroupSample("card arrival", "card_arrival"),
        SimilarityGroupSample("lost or stolen card", "lost_or_stolen_card"),
    ]


def test_other_splits_stay_what_they_are():
    assert NamedGroups(INTENTS).load("validation") == INTENTS.samples
    assert len(NamedGroups(INTENTS, splits=["train", "validation"]).load("validation")) == 5
    assert NamedGroups(INTENTS).splits == ("train", "validation")


def test_an_unknown_split_is_refused_before_anything_is_loaded():
    with pytest.raises(ValueError, match="no split 'test'. It has: train, validation"):
        NamedGroups(INTENTS, splits=["test"])


@pytest.mark.parametrize("group", [None, "", " ", float("nan")], ids=repr)
def test_a_missing_group_has_no_name(group):
    samples = Samples(*INTENTS.samples, SimilarityGroupSample("a", group))
    with pytest.raises(ValueError, match="1 missing value in 4 samples: sample 3 has the group"):
        NamedGroups(samples).load("train")


def test_a_name_without_words_is_no_text():
    samples = Samples(SimilarityGroupSample("a", "_"))
    assert NamedGroups(samples).load("train") == samples.samples


@pytest.mark.parametrize(
    "sample",
    [SimilarityPairSample("a", "b"), SimilarityGroupSample("a", 7)],
    ids=["pair", "number"],
)
def test_what_has_no_name_is_named(sample):
    with pytest.raises(TypeError, match=r"sample 3 of (Samples is|the batch is) Similarity"):
        NamedGroups(Samples(*INTENTS.samples, sample)).load("train")
