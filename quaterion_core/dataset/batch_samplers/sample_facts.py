"""Facts about samples for batch samplers: their targets, and which objects are equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from quaterion_core.dataset.distinct_objects import DistinctObjects
from quaterion_core.dataset.object_facts import read_object_facts
from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader
from quaterion_core.types import Targets

_CONTENT: Final = "content"


@dataclass(frozen=True, slots=True)
class SampleFacts:
    """Facts of S samples of P objects each: P is 1 for groups and 2 for pairs.

    Attributes:
        targets: ``groups`` (S,) int64, or ``labels`` (S,) and ``subgroups`` (S,) int64.
        objects: Numbers of the objects of each sample, shape (S, P), int64, starting from 0.
            Objects with equal content have equal numbers.
    """

    targets: Targets
    objects: Tensor

    def __len__(self) -> int:
        """Return S."""
        return len(self.objects)


def read_facts(loader: SimilarityDataLoader[Any], num_workers: int = 0) -> SampleFacts:
    """Read the dataset of a loader once, in order.

    Args:
        loader: The loader; it is not changed.
        num_workers: Number of processes that read.

    Raises:
        ValueError: The dataset is iterable, or the loader has its own ``collate_fn``.

    Example:
        >>> from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample
        >>> samples = [SimilarityPairSample("a", "b"), SimilarityPairSample("c", "a", score=0.0)]
        >>> facts = read_facts(PairsSimilarityDataLoader(samples))
        >>> facts.objects.tolist(), facts.targets["labels"].tolist()
        ([[0, 1], [2, 0]], [1.0, 0.0])
    """
    if isinstance(loader.dataset, IterableDataset):
        raise ValueError(
            "Expected a map-style dataset for a batch sampler, which chooses samples by their "
            f"index, got the iterable dataset {type(loader.dataset).__name__}. Use a map-style "
            "dataset or no batch sampler."
        )
    if "collate_fn" in loader.original_params:
        raise ValueError(
            "Expected a loader without its own collate_fn for a batch sampler, which has to know "
            "the objects and targets of the samples. Remove collate_fn or the batch sampler."
        )
    facts = read_object_facts(loader, {_CONTENT: None}, {}, num_workers)
    numbers = DistinctObjects.from_digests(facts.digests[_CONTENT]).rows
    return SampleFacts(facts.targets, torch.from_numpy(numbers).reshape(-1, facts.parts))
