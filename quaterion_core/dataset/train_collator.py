"""Collation of samples into the inputs of a training step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch

from quaterion_core.dataset.chunking import Chunking
from quaterion_core.types import CollateFnType, MetaExtractorFnType, Targets
from quaterion_core.utils.meta import merge_meta
from quaterion_core.utils.objects import as_part_of

Features: TypeAlias = dict[str, Any]
"""``{"data": {encoder key: batch}, "meta": [facts of object 1, ...], "count": N}``, or
``{"chunks": [...]}``: the features of each chunk, with the ``positions`` of its objects."""


def collate_features(
    objects: list[Any],
    encoder_collates: Mapping[str, CollateFnType],
    meta_extractors: Mapping[str, MetaExtractorFnType],
) -> Features:
    """Prepare raw objects for every encoder of a model.

    Args:
        objects: N raw objects.
        encoder_collates: Collate function of each encoder, by key.
        meta_extractors: Meta extractor of each encoder that has one, by key.

    Returns:
        ``{"data": {key: batch}, "meta": N dictionaries, "count": N}``. If no encoder has a meta
        extractor, ``meta`` is empty.
    """
    data = {key: collate(objects) for key, collate in encoder_collates.items()}
    facts = {key: extract(objects) for key, extract in meta_extractors.items()}
    return {"data": data, "meta": merge_meta(facts) if facts else [], "count": len(objects)}


class TrainCollator:
    """The collate function of a training loader.

    Args:
        pre_collate_fn: Splits samples into raw objects and targets, such as
            :meth:`SimilarityDataLoader.pre_collate_fn
            <quaterion_core.dataset.SimilarityDataLoader.pre_collate_fn>`.
        encoder_collates: Collate function of each encoder, by key.
        meta_extractors: Meta extractor of each encoder that has one, by key.
        chunking: Division of the objects into chunks, if any. The features are then those of each
            chunk, with the ``positions`` of its objects in the batch, as ``{"chunks": [...]}``.

    Example:
        >>> import torch
        >>> from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
        >>> collator = TrainCollator(
        ...     GroupSimilarityDataLoader.pre_collate_fn, {"default": torch.tensor}, {}
        ... )
        >>> features, targets = collator([SimilarityGroupSample([0.0, 1.0], group=7)])
        >>> features["data"]["default"], targets["groups"]
        (tensor([[0., 1.]]), tensor([7]))
    """

    def __init__(
        self,
        pre_collate_fn: Callable[[list[Any]], tuple[list[Any], Targets]],
        encoder_collates: Mapping[str, CollateFnType],
        meta_extractors: Mapping[str, MetaExtractorFnType],
        chunking: Chunking | None = None,
    ):
        self.chunking = chunking
        self.pre_collate_fn = pre_collate_fn
        self.encoder_collates = dict(encoder_collates)
        self.meta_extractors = dict(meta_extractors)

    def __call__(self, batch: list[Any]) -> tuple[Features, Targets]:
        """Collate a list of samples into features for the encoders and targets for the loss."""
        objects, targets = self.pre_collate_fn(batch)
        if self.chunking is None:
            return collate_features(objects, self.encoder_collates, self.meta_extractors), targets
        chunks = []
        for positions in self.chunking(objects):
            with as_part_of(positions):
                features = collate_features(
                    [objects[position] for position in positions],
                    self.encoder_collates,
                    self.meta_extractors,
                )
            chunks.append({**features, "positions": torch.tensor(positions)})
        return {"chunks": chunks}, targets
