import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from quaterion_cv.encoders.augmentations import AUGMENTATIONS, build_augmentation
from quaterion_cv.encoders.image_collator import ImageCollator

PIXELS = np.random.default_rng(0).integers(256, size=(40, 56, 3), dtype=np.uint8)
WHOLE = {"name": "crop", "scale": [1.0, 1.0]}
OF_COLOURS = {"color-jitter", "grayscale", "randaugment", "simclr", "trivial-augment"}


def collator(augmentation=(), channels=3, **config):
    values = {"mean": [0.5] * channels, "std": [0.5] * channels}
    return ImageCollator(channels, (32, 32), {**values, **config}, augmentation)


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_augmentation_takes_every_kind_of_image(name, channels):
    grey = PIXELS[..., 0]
    images = [Image.fromarray(PIXELS), Image.fromarray(grey), PIXELS / 255, grey / 255.0]
    torch.manual_seed(0)

    batches = [collator(name, channels)(images) for _ in range(8)]

    assert {batch.shape for batch in batches} == {(4, channels, 32, 32)}
    assert all(batch.isfinite().all() for batch in batches)


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS.keys() - {"grayscale"}))
def test_every_augmentation_changes_images_at_random(name):
    torch.manual_seed(0)
    augmented = collator([name])

    batches = [augmented([PIXELS]) for _ in range(10)]

    assert len({batch.numpy().tobytes() for batch in batches}) > 1


def test_the_same_seed_gives_the_same_images():
    batches = []
    for _ in range(2):
        torch.manual_seed(7)
        batches.append(collator("simclr")([PIXELS, PIXELS]))

    assert torch.equal(*batches)
    assert not torch.equal(batches[0][0], batches[0][1])


def test_flipping_comes_after_what_evaluation_does():
    flipped = collator({"name": "flip", "p": 1.0})([PIXELS])

    assert torch.equal(flipped, collator()([PIXELS]).flip(-1))


def test_a_crop_takes_the_place_of_the_one_in_the_middle():
    # The whole of a square image, once as a random part, once as all that evaluation keeps.
    square = Image.fromarray(PIXELS[:, :40])
    cropped = collator([{**WHOLE, "ratio": [1.0, 1.0]}], crop_pct=0.5)([square])

    assert torch.equal(cropped, collator(crop_pct=1.0, crop_mode="squash")([square]))


def test_the_order_is_that_of_the_names():
    torch.manual_seed(0)
    grey_last = collator([{"name": "color-jitter", "p": 1.0}, {"name": "grayscale", "p": 1.0}])

    red, green, blue = grey_last([PIXELS])[0]

    assert torch.equal(red, green)
    assert torch.equal(green, blue)


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS.keys() - OF_COLOURS))
def test_shapes_can_be_changed_for_any_number_of_channels(name):
    image = torch.rand(5, 40, 40)

    assert collator(name, channels=5)([image]).shape[1] == 5


@pytest.mark.parametrize("name", sorted(OF_COLOURS))
def test_colours_cannot_be_changed_where_there_are_none(name):
    with pytest.raises(ValueError, match=f"'{name}' changes colours: .* 1 or 3 channels, not 5"):
        build_augmentation([name], 5, (32, 32), "bilinear")


def test_an_unknown_name_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="no augmentation 'flop'. Choose among: blur, .*, flip"):
        collator("flop")


@pytest.mark.parametrize(
    ("choice", "error"),
    [({"name": "flip", "q": 1}, TypeError), ({"name": "flip", "p": 2}, ValueError)],
)
def test_arguments_that_an_augmentation_does_not_take_are_refused(choice, error):
    with pytest.raises(error, match="'flip' does not take the arguments"):
        collator([choice])


def test_a_pickled_collator_augments_alike():
    augmented = collator("simclr")
    restored = pickle.loads(pickle.dumps(augmented))
    batches = []
    for one in (augmented, restored):
        torch.manual_seed(3)
        batches.append(one([PIXELS]))

    assert torch.equal(*batches)
