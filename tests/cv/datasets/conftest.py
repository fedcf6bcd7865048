"""Small image files, and broken ones."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write_image():
    """Return a function that writes an image, which differs with the path, and returns the path."""

    def write(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        generator = np.random.default_rng(list(path.name.encode()))
        pixels = generator.integers(256, size=(12, 10, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def write_broken_image(write_image):
    """Return a function that writes an image whose second half is missing."""

    def write(path):
        content = write_image(path).read_bytes()
        path.write_bytes(content[: len(content) // 2])
        return path

    return write
