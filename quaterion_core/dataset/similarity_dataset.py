"""Labelled datasets as datasets of similarity groups."""

from __future__ import annotations

from typing import Any

from torch.utils.data import Dataset

from quaterion_core.dataset.similarity_samples import SimilarityGroupSample


class SimilarityGroupDataset(Dataset[SimilarityGroupSample]):
    """Dataset of group samples, made from a dataset of ``(object, label)``.

    Any classification dataset, such as those of torchvision, can be used in this way.

    Args:
        dataset: Map-style dataset or sequence of ``(object, label)``.

    Example:
        >>> SimilarityGroupDataset([("7.png", 7), ("9.png", 9)])[1]
        SimilarityGroupSample(obj='9.png', group=9)
    """

    def __init__(self, dataset: Any):
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> SimilarityGroupSample:
        item = self._dataset[index]
        try:
            obj, label = item
        except (TypeError, ValueError):
            raise TypeError(
                f"SimilarityGroupDataset wraps datasets that yield (object, label), but item "
                f"{index} is of type {type(item).__name__}."
            ) from None
        is_scalar = getattr(label, "shape", None) == () and hasattr(label, "item")
        return SimilarityGroupSample(obj=obj, group=label.item() if is_scalar else label)
