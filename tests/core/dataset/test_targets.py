import datetime
import enum
import subprocess
import sys
import uuid

import pytest
import torch

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
