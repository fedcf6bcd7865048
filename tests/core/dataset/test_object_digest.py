from pathlib import Path

import numpy as np
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


def test_an_object_that_cannot_be_read_names_the_way_out():
    with pytest.raises(TypeError, match="key_extractors"):
        object_digest(lambda: None)
