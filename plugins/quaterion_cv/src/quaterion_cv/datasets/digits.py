"""Handwritten digits, a small dataset that comes with scikit-learn."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from quaterion_core.dataset import SimilarityGroupSample, SplitDataset

_UNSEEN: Final = (7, 8, 9)
_LARGEST_VALUE: Final = 16


class Digits(SplitDataset):
    """1,797 handwritten digits as greyscale images of 8 × 8 pixels, without any download.

    The splits tell whether a model learns what makes two digits equal or only the digits that it
    was trained on: three digits do not occur in training.

    ============  ======  ============  ==========================================================
    split         images  groups        holds
    ============  ======  ============  ==========================================================
    train          1,014  0 to 6        four of five images of each digit
    validation       250  0 to 6        every fifth image of each digit
    test             533  7, 8 and 9    all images of the digits that training does not see
    ============  ======  ============  ==========================================================

    Samples are :class:`~quaterion_core.dataset.SimilarityGroupSample`: the object is a Pillow
    image of mode ``"L"``, values 0 (background) to 255 (ink), the group is the digit.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, 1998, its test set, as in :func:`sklearn.datasets.load_digits`.

    Example:
        >>> sample = Digits().load("train")[0]
        >>> sample.group, sample.obj.mode, sample.obj.size
        (0, 'L', (8, 8))
    """

    @property
    def splits(self) -> tuple[str, ...]:
        """``"train"``, ``"validation"`` and ``"test"``."""
        return ("train", "validation", "test")

    def load(self, split: str) -> list[SimilarityGroupSample]:
        """Return the samples of a split, in the order of scikit-learn.

        Raises:
            ValueError: There is no such split.
        """
        self.check_split(split)
        digits = load_digits()
        pixels = np.rint(digits.images * (255 / _LARGEST_VALUE)).astype(np.uint8)
        chosen = _split_of_each(digits.target) == split
        return [
            SimilarityGroupSample(Image.fromarray(image), group=int(digit))
            for image, digit in zip(pixels[chosen], digits.target[chosen], strict=True)
        ]


def _split_of_each(digits: NDArray[np.int64]) -> NDArray[np.str_]:
    """Return the name of the split of each image."""
    count_so_far = np.cumsum(digits[:, None] == np.arange(10), axis=0)
    nth_of_its_digit = count_so_far[np.arange(len(digits)), digits]
    seen = np.where(nth_of_its_digit % 5 == 0, "validation", "train")
    return np.where(np.isin(digits, _UNSEEN), "test", seen)
