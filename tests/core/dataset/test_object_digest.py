import dataclasses
import io
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from quaterion_core.dataset.object_digest import DIGEST_SIZE, object_digest


def palette_image(colour):
    image = Image.new("P", (2, 2))
    image.putpalette([*colour, *[0] * 765])
    return image


def turned_image(orientation):
    image = Image.new("L", (2, 3))
    image.getexif()[0x0112] = orientation
    return image


DIFFERENT = [
    "", "a", "1", 1, 1.5, True, None, b"a", Path("a"), [], ["a"], ["a", "b"], ["ab"], [["a"], "b"],
    {"a": 1}, {"a": 2}, {"b": 1}, np.zeros(3), np.zeros((3, 1)), np.zeros(3, np.float32),
    torch.ones(3), Image.new("L", (2, 3)), Image.new("L", (3, 2)), Image.new("RGB", (2, 3)),
    palette_image([1, 2, 3]), palette_image([3, 2, 1]), turned_image(3), turned_image(6),
]  # fmt: skip


def test_different_objects_have_different_digests():
    digests = [object_digest(obj) for obj in DIFFERENT]
    assert len(set(digests)) == len(DIFFERENT)
    assert {len(digest) for digest in digests} == {DIGEST_SIZE}


@pytest.mark.parametrize("make", [lambda: palette_image([1, 2, 3]), lambda: turned_image(6)])
def test_equal_images_have_one_digest(make):
    assert object_digest(make()) == object_digest(make())


def test_the_order_of_keys_does_not_matter():
    assert object_digest({"a": [1], "b": {"c": 2}}) == object_digest({"b": {"c": 2}, "a": [1]})


@dataclasses.dataclass
class Record:
    text: str
    same: str


def apart(text):
    """Return an equal text that is another object."""
    return "".join(list(text))


def texts(*items):
    """Return an object array of texts, whose buffer contains addresses."""
    return np.array([apart(item) for item in items], dtype=object)


LARGE = np.arange(100_000.0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Record("ab", "ab"), Record("ab", apart("ab"))),
        (texts("first text", "second text"), texts("first text", "second text")),
        (set("abcdef"), set("fedcba")),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.asfortranarray(np.eye(3) + 1), np.eye(3) + 1),
        (np.array([1, 2], ">i4"), np.array([1, 2], "<i4")),
        (LARGE[::2], LARGE[::2].copy()),
        (torch.eye(3), np.eye(3, dtype=np.float32)),
        (torch.ones(2, requires_grad=True), torch.ones(2)),
        (torch.arange(6.0).reshape(2, 3).T, torch.arange(6.0).reshape(2, 3).T.contiguous()),
        (torch.ones(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bfloat16)),
        (torch.ones(2, dtype=torch.cfloat).conj(), torch.ones(2, dtype=torch.cfloat).conj()),
        (torch.eye(3).to_sparse(), torch.eye(3).to_sparse()),
        (bytearray(b"a"), b"a"),
        (io.BytesIO(b"a"), b"a"),
        (pd.DataFrame({"a": LARGE}), pd.DataFrame({"a": LARGE.copy()})),
    ],
    ids=lambda value: type(value).__name__,
)
def test_equal_objects_have_one_digest(one, other):
    assert object_digest(one) == object_digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (texts("first"), texts("other")),
        (LARGE, np.where(LARGE == 50_000, 7, LARGE)),
        (torch.from_numpy(LARGE), torch.from_numpy(np.where(LARGE == 50_000, 7, LARGE))),
        (pd.DataFrame({"a": LARGE}), pd.DataFrame({"a": np.where(LARGE == 50_000, 7, LARGE)})),
        (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0])),
        (np.zeros(1, [("a", "i4")]), np.zeros(1, [("b", "i4")])),
        (torch.ones(2, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.bfloat16)),
        (torch.ones(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.float16)),
        (io.BytesIO(b"a"), io.BytesIO(b"b")),
        (Record("a", "b"), Record("b", "a")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_differs_in_one_place_has_two_digests(one, other):
    assert object_digest(one) != object_digest(other)


def test_an_object_that_holds_itself_is_read():
    one, other = Record("a", "b"), Record("a", "c")
    nested = [types.SimpleNamespace(it=record) for record in (one, other)]
    for record in nested:
        record.itself = record
    assert object_digest(nested[0]) != object_digest(nested[1])


def test_an_object_that_cannot_be_read_names_the_way_out():
    with pytest.raises(TypeError, match="key_extractors"):
        object_digest(lambda: None)


@pytest.mark.parametrize("size", [2**14, 2**14 + 1, 10 * 2**14 + 13])
def test_every_byte_of_a_large_array_counts(size):
    content = np.random.default_rng(0).integers(256, size=size, dtype=np.uint8)
    digests = {object_digest(content)}
    places = [*range(0, size, size // 200), size - 1]
    for place in places:
        changed = content.copy()
        changed[place] ^= 128
        digests.add(object_digest(changed))
    swapped = content.copy()
    swapped[:4], swapped[4:8] = content[4:8], content[:4]
    digests.add(object_digest(swapped))
    assert len(digests) == len(places) + 2
