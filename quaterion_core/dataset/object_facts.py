"""Facts about a whole dataset, read in one pass: digests and lengths of objects, and targets."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from quaterion_core.dataset.object_digest import ids_of_digests, object_digests
from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader

KeyOf = Callable[[Any], Hashable]
LengthsOf = Callable[[list[Any]], Sequence[int]]

_BLOCK: Final = 1024
"""Number of samples read at once."""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """Facts about a dataset of S samples with P objects each.

    Attributes:
        parts: P, the number of objects of a sample.
        digests: Digest of each object, by the name of the key, shape (S · P, 16), bytes. The
            objects of a sample are adjacent.
        lengths: Length of each object, by encoder that reports lengths, shape (S · P,).
        targets: Targets of the samples, first dimension S, with the ids of their ``objects``.
        objects: The objects themselves, if the dataset can be read only once, otherwise ``None``.
    """

    parts: int
    digests: dict[str, npt.NDArray[np.uint8]]
    lengths: dict[str, npt.NDArray[np.int64]]
    targets: dict[str, Tensor]
    objects: list[Any] | None


def read_object_facts(
    loader: SimilarityDataLoader[Any],
    keys: Mapping[str, KeyOf | None],
    lengths: Mapping[str, LengthsOf],
    num_workers: int,
) -> ObjectFacts:
    """Read the dataset of a loader once, in order.

    Args:
        loader: The loader; it is not changed.
        keys: Functions that return the key of an object, by name; ``None`` for its content.
        lengths: Functions that return the lengths of objects, by encoder.
        num_workers: Number of worker processes.
    """
    dataset: Any = loader.dataset
    once = isinstance(dataset, IterableDataset)
    reader = _Reader(type(loader), keys, lengths, keep_objects=once)
    workers = 0 if once else num_workers
    blocks = list(DataLoader(dataset, batch_size=_BLOCK, collate_fn=reader, num_workers=workers))
    return ObjectFacts(
        parts=blocks[0].parts,
        digests={key: np.concatenate([b.digests[key] for b in blocks]) for key in keys},
        lengths={key: np.concatenate([b.lengths[key] for b in blocks]) for key in lengths},
        targets={name: torch.cat([b.targets[name] for b in blocks]) for name in blocks[0].targets},
        objects=[obj for b in blocks for obj in b.objects or []] if once else None,
    )


class _Reader:
    """Collate function that returns the facts of samples; runs in the workers of a loader."""

    def __init__(
        self,
        loader_type: type[SimilarityDataLoader[Any]],
        keys: Mapping[str, KeyOf | None],
        lengths: Mapping[str, LengthsOf],
        keep_objects: bool,
    ):
        self._loader_type = loader_type
        self._keys = dict(keys)
        self._lengths = dict(lengths)
        self._keep_objects = keep_objects

    def __call__(self, samples: list[Any]) -> ObjectFacts:
        self._loader_type.check_samples(samples)
        flat, _ = self._loader_type.flatten_objects(samples, list(range(len(samples))))
        parts = len(flat) // len(samples)
        objects = [
            flat[part * len(samples) + s] for s in range(len(samples)) for part in range(parts)
        ]
        digests = {
            key: object_digests(objects if extract is None else map(extract, objects))
            for key, extract in self._keys.items()
        }
        ids = self._ids(digests).reshape(-1, parts)
        return ObjectFacts(
            parts=parts,
            digests=digests,
            lengths={
                key: np.asarray(lengths(objects), dtype=np.int64)
                for key, lengths in self._lengths.items()
            },
            targets={
                "objects": ids.squeeze(1) if parts == 1 else ids,
                **self._loader_type.sample_targets(samples),
            },
            objects=objects if self._keep_objects else None,
        )

    def _ids(self, digests: Mapping[str, npt.NDArray[np.uint8]]) -> Tensor:
        """Return the ids of objects, by content or, if that is not digested, by all keys."""
        for key, extract in self._keys.items():
            if extract is None:
                return ids_of_digests(digests[key])
        joined = np.concatenate([digests[key] for key in sorted(digests)], axis=1)
        return ids_of_digests(object_digests(map(bytes, joined)))
