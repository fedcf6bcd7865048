"""Two views of each image, for training without labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch.utils.data import Dataset

from quaterion_core.dataset import SimilarityGroupSample, SimilarityPairSample


class TwoViews(Dataset[SimilarityPairSample]):
    """Dataset of pairs of two views of each image, for :class:`~quaterion_cv.NTXentLoss`.

    Views are created anew on each access, so the encoder must not be cached.

    Args:
        images: Any images that the encoder accepts, or group samples, whose groups are ignored.
        augment: Function that returns a random view of an image. By default, both views are the
            image itself, for an encoder that augments images in training.

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
