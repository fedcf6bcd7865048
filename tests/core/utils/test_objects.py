from collections import deque, namedtuple

import numpy as np
import pyarrow as pa
import pytest
import torch
from datasets import Dataset

from quaterion_core.utils.objects import object_list

pandas = pytest.importorskip("pandas")
Pair = namedtuple("Pair", "image text")

SEVERAL = [
    ["a", "b"],
    iter(["a", "b"]),
    (letter for letter in "ab"),
    {"a": 1, "b": 2}.keys(),
    {1: "a", 2: "b"}.values(),
    deque("ab"),
    np.array(["a", "b"]),
    np.array(["a", "b"], dtype=object),
    pandas.Series(["a", "b"], index=[7, 3]),
    pandas.Index(["a", "b"]),
    pa.array(["a", "b"]),
    pa.chunked_array([["a"], ["b"]]),
    Dataset.from_dict({"text": ["a", "b"]})["text"],
]


@pytest.mark.parametrize("inputs", SEVERAL, ids=lambda inputs: type(inputs).__name__)
def test_what_cannot_be_one_object_is_several(inputs):
    objects = object_list(inputs)
    assert objects == ["a", "b"]
    assert {type(obj) for obj in objects} == {str}


@pytest.mark.parametrize(
    "obj",
    ["text", b"bytes", {"text": "a"}, 5, None, torch.zeros(3, 8, 8), np.zeros((8, 8, 3), np.uint8),
     Pair("a.png", "a"), SEVERAL],
    ids=lambda obj: type(obj).__name__,
)  # fmt: skip
def test_what_may_be_one_object_is_one(obj):
    if isinstance(obj, list):
        assert object_list(obj) is obj
    else:
        (kept,) = object_list(obj)
        assert kept is obj


def test_an_array_of_one_text_is_that_text():
    assert object_list(np.array("a")) == ["a"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (("a", "b"), r"a tuple of 2, which may be either\. Pass list\(objects\)"),
        ({"a", "b"}, "a set, which has no order"),
        (frozenset("ab"), "a frozenset, which has no order"),
        (pandas.DataFrame({"text": ["a"]}), "a DataFrame with several columns"),
        (pa.table({"text": ["a"]}), "a Table with several columns"),
        (Dataset.from_dict({"text": ["a"]}), "a Dataset with several columns"),
    ],
)
def test_what_may_be_either_is_refused(inputs, message):
    with pytest.raises(TypeError, match=message):
        object_list(inputs)
