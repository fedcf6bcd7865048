"""The components of quaterion-cv pass the checks that plugin authors run."""

from __future__ import annotations

import numpy as np
from PIL import Image

from quaterion_core.testing import Example, conformance_tests

IMAGES = [
    Image.fromarray(np.random.default_rng(seed).integers(256, size=(20, 30, 3), dtype=np.uint8))
    for seed in range(3)
]
ODD_IMAGES = [
    Image.new("L", (1, 1)),
    Image.new("RGBA", (40, 3), (255, 0, 0, 0)),
    Image.new("P", (5, 90)),
    np.zeros((4, 4), dtype=np.uint8),
]


def images(**arguments):
    tiny = {"model": "test_resnet", "pretrained": False, "image_size": 32, **arguments}
    return Example(arguments=tiny, objects=IMAGES, odd_objects=ODD_IMAGES)


test_conformance = conformance_tests(
    "quaterion-cv", examples={"timm": [images(in_chans=1), images(trainable=True)]}
)
