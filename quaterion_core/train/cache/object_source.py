"""The objects of the datasets of a training run, accessed by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from quaterion_core.dataset.object_facts import KeyOf, LengthsOf, read_object_facts
from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader


class ObjectSource:
    """The objects of the dataset of one loader, read once in order.

    Args:
        loader: The loader; it is not changed.
        keys: What identifies an object, by encoder; ``None`` for its content.
        lengths: Functions that return the lengths of objects, by encoder.
        num_workers: Number of processes that read.
    """

    def __init__(
        self,
        loader: SimilarityDataLoader[Any],
        keys: Mapping[str, KeyOf | None],
        lengths: Mapping[str, LengthsOf],
        num_workers: int,
    ):
        if "collate_fn" in loader.original_params:
            raise ValueError(
                "A loader with a custom collate_fn cannot be cached, since the objects of its "
                "samples are not known. Remove the collate_fn, or configure no cache."
            )
        self.dataset: Any = loader.dataset
        self.loader_type = type(loader)
        self.facts = read_object_facts(loader, keys, lengths, num_workers)
        self.parts = self.facts.parts

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(next(iter(self.facts.digests.values())))

    def object(self, number: int) -> Any:
        """Return an object by its number: the sample's times P, plus its place in the sample."""
        if self.facts.objects is not None:
            return self.facts.objects[number]
        sample = self.dataset[number // self.parts]
        objects, _ = self.loader_type.flatten_objects([sample], [0])
        return objects[number % self.parts]


class CollatedBatches(Dataset[Any]):
    """Batches of objects by their numbers, collated for one encoder.

    Args:
        sources: Sources of the objects; numbering continues from one source to the next.
        batches: Numbers of the objects of each batch.
        collate: The encoder's collate function.
    """

    def __init__(
        self,
        sources: list[ObjectSource],
        batches: list[npt.NDArray[np.int64]],
        collate: Callable[[list[Any]], Any],
    ):
        self._sources = sources
        self._batches = batches
        self._collate = collate
        self._ends = np.cumsum([len(source) for source in sources])

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Any:
        numbers = self._batches[index]
        owners = np.searchsorted(self._ends, numbers, side="right")
        starts = self._ends[owners] - [len(self._sources[owner]) for owner in owners]
        return self._collate(
            [
                self._sources[owner].object(int(number))
                for owner, number in zip(owners, numbers - starts, strict=True)
            ]
        )
