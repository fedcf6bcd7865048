import dataclasses
from collections import OrderedDict, UserDict, defaultdict
from types import MappingProxyType
from typing import NamedTuple

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

from quaterion_core.utils.tensors import move_to_device

META = torch.device("meta")
"""Tests on the meta device, which exists on every machine and is not the CPU."""


class Batch(NamedTuple):
    ids: torch.Tensor
    lengths: list[torch.Tensor]


@dataclasses.dataclass(frozen=True)
class Pair:
    left: torch.Tensor
    right: torch.Tensor
    name: str = "pair"
    total: int = dataclasses.field(init=False, default=2)


@dataclasses.dataclass
class Slotted:
    __slots__ = ("value",)
    value: torch.Tensor


def tensor() -> torch.Tensor:
    return torch.ones(2)


def test_tensor():
    assert move_to_device(tensor(), META).device == META


def test_device_may_be_a_name():
    assert move_to_device([tensor()], "meta")[0].device == META


@pytest.mark.parametrize(
    "make",
    [dict, OrderedDict, UserDict, lambda items: defaultdict(list, items)],
    ids=["dict", "OrderedDict", "UserDict", "defaultdict"],
)
def test_mapping_keeps_its_type(make):
    original = make({"a": tensor(), "b": {"c": tensor()}, "d": "text"})
    moved = move_to_device(original, META)
    assert type(moved) is type(original)
    assert moved["a"].device == moved["b"]["c"].device == META
    assert moved["d"] == "text"


def test_default_of_a_defaultdict_survives():
    assert move_to_device(defaultdict(list), META).default_factory is list


def test_read_only_mapping_becomes_a_dictionary():
    moved = move_to_device(MappingProxyType({"a": tensor()}), META)
    assert moved["a"].device == META


@pytest.mark.parametrize("sequence", [list, tuple])
def test_sequence_keeps_its_type(sequence):
    moved = move_to_device(sequence([tensor(), sequence([tensor()]), 3]), META)
    assert type(moved) is sequence
    assert moved[0].device == moved[1][0].device == META
    assert moved[2] == 3


def test_named_tuple():
    moved = move_to_device(Batch(tensor(), [tensor()]), META)
    assert type(moved) is Batch
    assert moved.ids.device == moved.lengths[0].device == META


def test_frozen_dataclass():
    original = Pair(tensor(), tensor())
    moved = move_to_device(original, META)
    assert type(moved) is Pair
    assert moved.left.device == moved.right.device == META
    assert (moved.name, moved.total) == ("pair", 2)


def test_dataclass_with_slots():
    assert move_to_device(Slotted(tensor()), META).value.device == META


def test_what_moves_itself_is_left_to_it():
    packed = move_to_device(pack_sequence([torch.ones(3), torch.ones(2)]), META)
    assert packed.data.device == META


def test_hugging_face_batch_encoding():
    transformers = pytest.importorskip("transformers")
    encoding = transformers.BatchEncoding({"input_ids": tensor().long(), "labels": ["a", "b"]})
    moved = move_to_device({"text": encoding}, META)["text"]
    assert isinstance(moved, transformers.BatchEncoding)
    assert moved["input_ids"].device == META
    assert moved["labels"] == ["a", "b"]


def test_containers_given_are_not_changed():
    original = {"a": [tensor()], "pair": Pair(tensor(), tensor())}
    move_to_device(original, META)
    assert original["a"][0].device.type == "cpu"
    assert original["pair"].left.device.type == "cpu"


@pytest.mark.parametrize("thing", ["text", 3, None, b"bytes", torch.Tensor, Pair, {1, 2}])
def test_anything_else_stays(thing):
    assert move_to_device(thing, META) is thing
