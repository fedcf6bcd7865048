"""The components of quaterion-cv pass the checks that plugin authors run."""

from __future__ import annotations

import tempfile
from pathlib import Path

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


TEMPORARY = tempfile.TemporaryDirectory()
FOLDER = Path(TEMPORARY.name)
PATHS = [Path(group, f"{number}.png") for group in ("cat", "dog") for number in range(4)]
for path in PATHS:
    (FOLDER / path).parent.mkdir(exist_ok=True)
    IMAGES[0].save(FOLDER / path)
(FOLDER / "train.csv").write_text(
    "\n".join(["path,group", *(f"{path},{path.parent}" for path in PATHS)])
)
FILES = {"files": {"train": str(FOLDER / "train.csv")}}
CAPTIONS = {"obj_a": "group", "obj_b": "path", "text": "group"}

test_conformance = conformance_tests(
    "quaterion-cv",
    examples={
        "image-csv": [
            Example(arguments=FILES),
            Example(arguments={**FILES, **CAPTIONS, "on_error": "skip"}),
        ],
        "image-folder": [
            Example(arguments={"root": str(FOLDER), "on_error": "skip"}),
            Example(arguments={"root": str(FOLDER), "shares": {"validation": 0.25}}),
            Example(
                arguments={
                    "root": str(FOLDER.parent),
                    "folders": {"train": FOLDER.name},
                    "group_folders": "innermost",
                    "turned_groups": True,
                    "mirrored_groups": True,
                }
            ),
        ],
        "timm": [
            images(in_chans=1),
            images(trainable=True),
            images(trainable=True, train_stages=2, pooling="gem"),
            images(augmentation=["crop", {"name": "rotate", "degrees": 10}, "affine"]),
        ],
    },
)
