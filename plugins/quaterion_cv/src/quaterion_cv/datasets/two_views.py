"""Two views of each image, for training without labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch.utils.data import Dataset

from quaterion_core.dataset import SimilarityGroupSample, SimilarityPairSample


class TwoViews(Dataset[SimilarityPairSample]):
    """Pairs of two views of each image of a sequence, for :class:`~quaterion_cv.NTXentLoss`.

    The views are new each time that an image is asked for, so do not cache the encoder.

    Args:
        images: Any images that the encoder understands, or samples of groups, whose groups are
            then not looked at.
        augment: Makes a view of an image, at random. By default both views are the image itself,
            for an encoder that augments in training.

    Example:
        >>> from itertools import count
        >>> number = count()
        >>> views = TwoViews(["cat.jpg"], augment=lambda path: (path, next(number)))
        >>> views[0].obj_a, views[0].obj_b
        (('cat.jpg', 0), ('cat.jpg', 3))
    """

    def __init__(self, images: Sequence[Any], augment: Callable[[Any], Any] | None = None):
        self._images = images
        self._augment = augment

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> SimilarityPairSample:
        image = self._images[index]
        if isinstance(image, SimilarityGroupSample):
            image = image.obj
        if self._augment is None:
            return SimilarityPairSample(image, image)
        return SimilarityPairSample(self._augment(image), self._augment(image))
