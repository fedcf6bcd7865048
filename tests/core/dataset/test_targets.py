import dataclasses
import datetime
import decimal
import enum
import fractions
import subprocess
import sys
import uuid

import numpy as np
import pandas as pd
import pytest
import torch

from quaterion_core.dataset import Query
from quaterion_core.dataset.targets import NO_SUBGROUP, stable_id, subgroup_tensor, target_tensor


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


VALUES = ["a", "b", "", "1", b"a", ("a", 1), ("a", ("1",)), ("a1",), None, 0.5, Colour.RED,
          Colour.BLUE, datetime.date(2020, 1, 2), uuid.UUID(int=5), frozenset({"x", "y"}), 2**70,
          float("inf")]  # fmt: skip


def test_different_values_have_different_ids():
    ids = [stable_id(value) for value in VALUES]
    assert len(set(ids)) == len(VALUES)


def test_ids_fit_int64_and_never_collide_with_the_mark_for_no_subgroup():
    ids = torch.tensor([stable_id(value) for value in VALUES], dtype=torch.int64)
    assert (ids != NO_SUBGROUP).all()


def test_integers_are_kept_beyond_what_float32_tells_apart():
    assert target_tensor([2**24, 2**24 + 1]).tolist() == [2**24, 2**24 + 1]


def test_values_that_python_holds_equal_get_one_id():
    assert stable_id(1) == stable_id(1.0) == stable_id(True)
    assert stable_id((1, "a")) == stable_id((1.0, "a"))
    assert stable_id(torch.tensor(7).item()) == 7


def test_ids_are_the_same_in_another_process_with_another_hash_seed():
    code = (
        "from quaterion_core.dataset.targets import stable_id;"
        "print(stable_id('billing'), stable_id(('aws', 3)), stable_id(frozenset('xyz')))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    here = f"{stable_id('billing')} {stable_id(('aws', 3))} {stable_id(frozenset('xyz'))}\n"
    assert seen == {here}


def test_an_object_without_identity_is_refused():
    with pytest.raises(TypeError, match="same in every process"):
        stable_id(object())


def test_no_subgroup_has_a_mark_of_its_own():
    assert subgroup_tensor([None, 0, "x"]).tolist() == [NO_SUBGROUP, 0, stable_id("x")]


class Intent(str, enum.Enum):
    CARD = "card"


class Number(enum.IntEnum):
    SEVEN = 7


HOUR = datetime.timedelta(hours=1)
BERLIN = datetime.timezone(HOUR)
IN_UTC = datetime.datetime(2020, 1, 1, 1, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Intent.CARD, "card"),
        (Number.SEVEN, 7),
        (Colour.RED, Colour.RED.value),
        (np.int64(7), 7),
        (torch.tensor(7), 7),
        (torch.tensor(True), 1),
        (np.array(7), 7),
        (np.float32(0.5), 0.5),
        (np.str_("card"), "card"),
        (np.bool_(True), 1),
        (decimal.Decimal("7.0"), 7),
        (decimal.Decimal("0.5"), 0.5),
        (decimal.Decimal("0.1"), fractions.Fraction(1, 10)),
        (7 + 0j, 7),
        (("card", np.int64(7)), ("card", 7)),
        (pd.Timestamp("2020-01-02 03:04:05"), datetime.datetime(2020, 1, 2, 3, 4, 5)),
        (np.datetime64("2020-01-02"), datetime.date(2020, 1, 2)),
        (np.datetime64("2020-01-02T03:04", "ns"), datetime.datetime(2020, 1, 2, 3, 4)),
        (pd.Timedelta(hours=1), HOUR),
        (IN_UTC, IN_UTC.astimezone(BERLIN)),
        (Query("card"), "card"),
    ],
    ids=repr,
)  # fmt: skip
def test_equal_values_of_all_libraries_get_one_id(one, other):
    assert stable_id(one) == stable_id(other)


@dataclasses.dataclass(frozen=True)
class Key:
    name: str
    vector: object = dataclasses.field(repr=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (decimal.Decimal("0.1"), 0.1),
        (fractions.Fraction(1, 3), 1 / 3),
        ((1, 2), frozenset({1, 2})),
        (pd.Timestamp(1), pd.Timestamp(2)),
        (datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1)),
        (pd.Interval(0, 1), pd.Interval(0, 2)),
        (np.datetime64(1, "ns"), np.datetime64(2, "ns")),
        (Key("a", 1), Key("a", 2)),
        (int, str),
    ],
    ids=repr,
)
def test_different_values_of_one_look_get_two_ids(one, other):
    assert stable_id(one) != stable_id(other)


class Shortened:
    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        return self.number == other.number

    def __hash__(self):
        return hash(self.number)

    def __repr__(self):
        return "Shortened(1, 2, ..., 9)"


@pytest.mark.parametrize(
    ("value", "way_out"),
    [
        (torch.eye(5000)[7], "argmax"),
        (np.zeros(3), "argmax"),
        (np.array([3]), "item"),
        (pd.Series([1, 2]), "argmax"),
        ([1, 2], "tuple"),
        ({"a": 1}, "tuple"),
        (bytearray(b"a"), "tuple"),
        ((1, [2]), "tuple"),
        (Shortened(1), "key"),
        (lambda: 0, "key"),
    ],
)
def test_what_has_no_identity_is_refused_with_the_way_out(value, way_out):
    with pytest.raises(TypeError, match=way_out):
        stable_id(value)


@pytest.mark.parametrize("value", [float("nan"), (1, float("nan")), pd.NaT, pd.NA,
                                   np.datetime64("NaT"), decimal.Decimal("nan")])  # fmt: skip
def test_what_does_not_equal_itself_is_refused(value):
    with pytest.raises(ValueError, match="missing value"):
        stable_id(value)
