import decimal
import enum

import numpy as np
import pandas as pd
import pytest
import torch

from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.dataset.missing import is_missing
from quaterion_core.dataset.targets import NO_SUBGROUP, subgroup_tensor, target_tensor

MISSING = [None, float("nan"), "", " \t", b"", pd.NA, pd.NaT, np.datetime64("NaT"),
           np.float32("nan"), torch.tensor(float("nan")), decimal.Decimal("nan"),
           np.array(np.nan)]  # fmt: skip


@pytest.mark.parametrize("value", MISSING, ids=repr)
def test_a_missing_subgroup_states_nothing_and_a_missing_group_is_refused(value):
    assert subgroup_tensor([value, 3]).tolist() == [NO_SUBGROUP, 3]
    with pytest.raises(ValueError, match="1 of 2 samples have none: sample 1 has the group"):
        target_tensor(["a", value])


class Empty(enum.Enum):
    NOTHING = ""


@pytest.mark.parametrize(
    "value",
    [0, 0.0, False, "0", "None", np.int64(0), (), Empty.NOTHING, np.zeros(3), torch.tensor(0),
     object()],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_states_something_is_not_missing(value):
    assert not is_missing(value)


@pytest.mark.parametrize("value", MISSING, ids=repr)
@pytest.mark.parametrize("position", [0, 1])
def test_a_missing_object_of_a_pair_is_refused(value, position):
    objects = ["a", "b"]
    objects[position] = value
    samples = [SimilarityPairSample("c", "d"), SimilarityPairSample(*objects)]
    with pytest.raises(ValueError, match="sample 1 has the obj_[ab]"):
        next(iter(PairsSimilarityDataLoader(samples, batch_size=2)))


def test_a_missing_object_of_a_group_is_refused():
    samples = [SimilarityGroupSample("a", 1), SimilarityGroupSample(None, 1)] * 4
    with pytest.raises(
        ValueError, match="4 missing values in 8 samples: sample 1 has the obj None; sample 3"
    ):
        next(iter(GroupSimilarityDataLoader(samples, batch_size=8)))


@pytest.mark.parametrize("score", [None, "0.5", float("nan"), float("inf"), 1e39, 1j, pd.NA,
                                   np.array([1.0]), [1], 10**400])  # fmt: skip
def test_a_score_is_a_finite_number(score):
    samples = [SimilarityPairSample("a", "b"), SimilarityPairSample("c", "d", score)]
    with pytest.raises(ValueError, match="Expected finite numbers .* sample 1 has the score"):
        next(iter(PairsSimilarityDataLoader(samples, batch_size=2)))


@pytest.mark.parametrize("score", [0.25, np.float16(0.25), torch.tensor(0.25), np.array(0.25),
                                   decimal.Decimal("0.25")])  # fmt: skip
def test_numbers_of_all_libraries_are_scores(score):
    _, targets = next(iter(PairsSimilarityDataLoader([SimilarityPairSample("a", "b", score)])))
    assert targets["labels"].tolist() == [0.25]
