from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import load_digits

from quaterion_cv import Digits


@pytest.fixture(scope="module")
def splits():
    digits = Digits()
    return {split: digits.load(split) for split in digits.splits}


def contents(samples):
    return Counter((sample.group, sample.obj.tobytes()) for sample in samples)


def test_the_splits_hold_every_image_of_scikit_learn_once(splits):
    source = load_digits()
    expected = Counter(
        (digit, np.rint(image * 255 / 16).astype(np.uint8).tobytes())
        for image, digit in zip(source.images, source.target.tolist(), strict=True)
    )

    assert sum((contents(samples) for samples in splits.values()), Counter()) == expected


def test_three_digits_are_seen_in_the_test_alone(splits):
    groups = {split: {sample.group for sample in samples} for split, samples in splits.items()}

    assert groups == {
        "train": set(range(7)),
        "validation": set(range(7)),
        "test": {7, 8, 9},
    }


def test_every_fifth_image_of_a_digit_is_held_out_for_validation(splits):
    source = load_digits()
    fours = source.images[source.target == 4]
    expected = [np.rint(image * 255 / 16).astype(np.uint8).tobytes() for image in fours[4::5]]

    assert [s.obj.tobytes() for s in splits["validation"] if s.group == 4] == expected


def test_images_are_grey_from_0_to_255(splits):
    images = np.stack([np.asarray(sample.obj) for sample in splits["train"]])

    assert (images.dtype, images.shape[1:], images.min(), images.max()) == (
        np.uint8,
        (8, 8),
        0,
        255,
    )


def test_documented_numbers_of_images(splits):
    assert {split: len(samples) for split, samples in splits.items()} == {
        "train": 1014,
        "validation": 250,
        "test": 533,
    }


def test_an_unknown_split_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="no split 'dev'. It has: train, validation, test"):
        Digits().load("dev")


def test_a_digits_dataset_has_nothing_to_configure():
    assert Digits.from_config(Digits().get_config_dict()).load("test") == Digits().load("test")
