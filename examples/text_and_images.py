"""One model for texts and images: search for handwritten digits by captions.

Run it with ``python examples/text_and_images.py``. It requires quaterion-core, quaterion-nlp and
quaterion-cv, no download, and about a minute on two cores.
"""

from __future__ import annotations

import argparse
import logging
import random
import tempfile
import warnings
from pathlib import Path

import pytorch_lightning as pl
from rich.console import Console

from quaterion_core import Quaterion, SimilarityModel
from quaterion_core.dataset import (
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.serving.exact_search import ExactSearch
from quaterion_core.train.callbacks.progress_bar import QuaterionProgressBar
from quaterion_cv import Digits

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TEMPLATES = ["a handwritten {}", "the digit {}", "a picture of the number {}", "{}, in black ink"]
console = Console(highlight=False)

# Hide Lightning's notices about hardware and other products.
logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="pytorch_lightning")


def read_digits() -> tuple[list[SimilarityGroupSample], list[SimilarityGroupSample]]:
    """Return training images of all ten digits, and the held-out images, every fifth one."""
    dataset = Digits()
    images = [sample for split in dataset.splits for sample in dataset.load(split)]
    held_out = images[::5]
    return [image for number, image in enumerate(images) if number % 5], held_out


def with_captions(images: list[SimilarityGroupSample]) -> list[SimilarityPairSample]:
    """Pair each image with a random caption. Pairs of the same digit are not negatives."""
    templates = random.Random(0)
    return [
        SimilarityPairSample(
            templates.choice(TEMPLATES).format(WORDS[image.group]), image.obj, subgroup=image.group
        )
        for image in images
    ]


def precision(model: SimilarityModel, images: list[SimilarityGroupSample], k: int = 10) -> float:
    """Return precision at k of the images of a digit, averaged over all captions."""
    search = ExactSearch(model, [image.obj for image in images])
    right = [
        images[result.position].group == digit
        for digit, word in enumerate(WORDS)
        for template in TEMPLATES
        for result in search.search(template.format(word), top=k)
    ]
    return sum(right) / len(right)


def main() -> None:
    """Train, evaluate, save and load a model, and search with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="where to save the model")
    parser.add_argument("--epochs", type=int, default=15)
    arguments = parser.parse_args()
    output = arguments.output or Path(tempfile.mkdtemp()) / "text_and_images_model"

    pl.seed_everything(0, verbose=False)
    train, held_out = read_digits()
    pairs = with_captions(train)
    console.print(f"{len(pairs):,} captioned images for training, {len(held_out)} held out.")
    console.print(f"Example of a caption: {pairs[0].obj_a!r}.\n")

    model = Quaterion.build(
        encoder={
            "name": "text-and-image",
            "text": {"name": "static", "embedding_size": 96, "vocab_size": 400},
            "image": {
                "name": "timm",
                "model": "test_resnet",
                "pretrained": False,
                "trainable": True,
                "in_chans": 1,
                "image_size": 32,
                "augmentation": {"name": "rotate", "degrees": 10},
            },
        },
        loss={"name": "multiple-negatives-ranking", "scale": 10.0, "symmetric": True},
        optimizer={"name": "adam", "lr": 0.002},
        data=pairs,
    )
    before = precision(model.model, held_out)
    trainer = pl.Trainer(
        max_epochs=arguments.epochs,
        callbacks=[QuaterionProgressBar()],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    Quaterion.fit(model, trainer, PairsSimilarityDataLoader(pairs, batch_size=64, shuffle=True))
    console.print("\nShare of the ten nearest images of a caption that show its digit:")
    console.print(f"before training: {before:.3f}")
    console.print(f"after training: {precision(model.model, held_out):.3f}")

    model.save_servable(output)
    served = SimilarityModel.load(output)
    console.print(f"\nSaved to {output}, loaded again: {precision(served, held_out):.3f}")
    search = ExactSearch(served, [image.obj for image in held_out])
    question = "a handwritten seven"
    found = [held_out[result.position].group for result in search.search(question, top=10)]
    console.print(f"{question!r} finds images of: {' '.join(map(str, found))}")


if __name__ == "__main__":
    main()
