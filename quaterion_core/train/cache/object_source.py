"""The objects of the data sets of a training, each one reached by its number."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader
from quaterion_core.train.cache.object_digest import DIGEST_SIZE, object_digest

KeyOf = Callable[[Any], Hashable]
LengthOf = Callable[[Any], int]


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What is read off the objects of a data set: S samples of P objects each.

    Attributes:
        digests: Digest of each object, by encoder, shape (S · P, 16), bytes. The objects of a
            sample follow one another.
        lengths: Length of each object, by encoder that tells lengths, shape (S · P,).
        targets: Targets of the samples, first dimension S.
        objects: The objects themselves, where the data set yields them only once.
    """

    digests: dict[str, npt.NDArray[np.uint8]]
    lengths: dict[str, npt.NDArray[np.int64]]
    targets: dict[str, Tensor]
    objects: list[Any] | None


class ObjectSource:
    """The objects of the data set of one loader, read once in order.

    Args:
        loader: The loader; it is not changed.
        keys: What identifies an object, by encoder; ``None`` for its content.
        lengths: What tells the length of an object, by encoder.
        num_workers: Processes to read with.
    """

    def __init__(
        self,
        loader: SimilarityDataLoader[Any],
        keys: Mapping[str, KeyOf | None],
        lengths: Mapping[str, LengthOf],
        num_workers: int,
    ):
        if "collate_fn" in loader.original_params:
            raise ValueError(
                "A loader with a collate_fn of its own cannot be cached, since what makes up its "
                "samples is not known. Leave collate_fn away, or configure no cache."
            )
        self.dataset: Any = loader.dataset
        self.loader_type = type(loader)
        self.parts = 0
        self.facts = self._read(keys, lengths, num_workers)

    def _read(
        self, keys: Mapping[str, KeyOf | None], lengths: Mapping[str, LengthOf], num_workers: int
    ) -> ObjectFacts:
        once = isinstance(self.dataset, IterableDataset)
        reader = _Reader(self.loader_type, keys, lengths, keep_objects=once)
        workers = 0 if once else num_workers
        blocks = list(
            DataLoader(self.dataset, batch_size=1024, collate_fn=reader, num_workers=workers)
        )
        self.parts = blocks[0].parts
        return ObjectFacts(
            digests={key: np.concatenate([b.facts.digests[key] for b in blocks]) for key in keys},
            lengths={
                key: np.concatenate([b.facts.lengths[key] for b in blocks]) for key in lengths
            },
            targets={
                name: torch.cat([b.facts.targets[name] for b in blocks])
                for name in blocks[0].facts.targets
            },
            objects=[obj for b in blocks for obj in b.facts.objects or []] if once else None,
        )

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


@dataclass(frozen=True, slots=True)
class _Block:
    parts: int
    facts: ObjectFacts


class _Reader:
    """Collates samples into facts; runs in the workers of a loader."""

    def __init__(
        self,
        loader_type: type[SimilarityDataLoader[Any]],
        keys: Mapping[str, KeyOf | None],
        lengths: Mapping[str, LengthOf],
        keep_objects: bool,
    ):
        self._loader_type = loader_type
        self._keys = dict(keys)
        self._lengths = dict(lengths)
        self._keep_objects = keep_objects

    def __call__(self, samples: list[Any]) -> _Block:
        self._loader_type.check_samples(samples)
        flat, _ = self._loader_type.flatten_objects(samples, list(range(len(samples))))
        parts = len(flat) // len(samples)
        objects = [
            flat[part * len(samples) + s] for s in range(len(samples)) for part in range(parts)
        ]
        facts = ObjectFacts(
            digests={key: _digests(objects, extract) for key, extract in self._keys.items()},
            lengths={
                key: np.fromiter(map(length, objects), np.int64, len(objects))
                for key, length in self._lengths.items()
            },
            targets=self._loader_type.sample_targets(samples),
            objects=objects if self._keep_objects else None,
        )
        return _Block(parts, facts)


def _digests(objects: list[Any], extract: KeyOf | None) -> npt.NDArray[np.uint8]:
    keys = objects if extract is None else map(extract, objects)
    joined = b"".join(map(object_digest, keys))
    return np.frombuffer(joined, np.uint8).reshape(len(objects), DIGEST_SIZE)


class CollatedBatches(Dataset[Any]):
    """Batches of objects by their numbers, collated for one encoder.

    Args:
        sources: Where the objects are; numbers run on from one source to the next.
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
