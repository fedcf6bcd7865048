"""A dataset of row numbers: batches are looked up in tables instead of being embedded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from quaterion_core.dataset.chunking import Chunking
from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader
from quaterion_core.dataset.train_collator import Features, collate_features
from quaterion_core.train.cache.embedding_table import EmbeddingTable
from quaterion_core.types import CollateFnType, MetaExtractorFnType, Targets


@dataclass(frozen=True, slots=True)
class CachedObjects:
    """The objects of a dataset as rows of the table of one encoder.

    Attributes:
        table: The table.
        rows: Row of each object of each sample, shape (S, P).
        meta: Meta that the encoder extracts from the object of each row, if it extracts any.
    """

    table: EmbeddingTable
    rows: Tensor
    meta: list[dict[str, Any]] | None


class CachedDataset(Dataset[tuple[Features, Targets]]):
    """Yields whole batches: embeddings of the cached encoders, and targets.

    Args:
        loader_type: The loader class that the samples are for.
        targets: Targets of all samples, first dimension S.
        cached: Objects as table rows, by key of the cached encoder.
        samples: The raw samples, for the encoders that are not cached; ``None`` if all are.
        collates: Collate functions of the encoders that are not cached.
        meta_extractors: Meta extractors of the encoders that are not cached.
        chunking: How to split the objects of a batch into chunks, if at all. The features are then
            ``{"chunks": [...]}``: those of each chunk, with the ``positions`` of its objects in
            the batch.
    """

    def __init__(
        self,
        loader_type: type[SimilarityDataLoader[Any]],
        targets: Targets,
        cached: Mapping[str, CachedObjects],
        samples: Any = None,
        collates: Mapping[str, CollateFnType] | None = None,
        meta_extractors: Mapping[str, MetaExtractorFnType] | None = None,
        chunking: Chunking | None = None,
    ):
        self._loader_type = loader_type
        self._targets = targets
        self._cached = dict(cached)
        self._samples = samples
        self._collates = dict(collates or {})
        self._meta_extractors = dict(meta_extractors or {})
        self._chunking = chunking

    def __len__(self) -> int:
        return len(next(iter(self._targets.values())))

    def __getitem__(self, index: int) -> tuple[Features, Targets]:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> tuple[Features, Targets]:
        """Return the batch of the given samples."""
        chosen = torch.tensor(indices, dtype=torch.int64)
        targets = self._loader_type.batch_targets(
            {name: values.index_select(0, chosen) for name, values in self._targets.items()}
        )
        objects = self._raw_objects(indices)
        rows = {  # of the first objects of the samples, then of the second ones
            key: cached.rows.index_select(0, chosen).T.flatten()
            for key, cached in self._cached.items()
        }
        if self._chunking is None:
            return self._features(rows, objects), targets
        chunks = []
        for positions in self._chunking(objects):
            chosen = torch.tensor(positions)
            features = self._features(
                {key: numbers[chosen] for key, numbers in rows.items()},
                [objects[position] for position in positions],
            )
            chunks.append({**features, "positions": chosen})
        return {"chunks": chunks}, targets

    def _raw_objects(self, indices: list[int]) -> list[Any]:
        """Return the raw objects of samples, if there are encoders that need them."""
        if not self._collates:
            return []
        samples = [self._samples[index] for index in indices]
        return self._loader_type.flatten_objects(samples, indices)[0]

    def _features(self, rows: Mapping[str, Tensor], objects: list[Any]) -> Features:
        """Return the features of objects, whose embeddings are in the given rows of each table."""
        features: Features = {"data": {}, "meta": [], "count": len(next(iter(rows.values())))}
        if self._collates:
            features = collate_features(objects, self._collates, self._meta_extractors)
        for key, numbers in rows.items():
            cached = self._cached[key]
            if cached.meta is not None:
                features["meta"] = features["meta"] or [{} for _ in range(features["count"])]
                for facts, row in zip(features["meta"], numbers.tolist(), strict=True):
                    facts.update(cached.meta[row])
            features["data"][key] = cached.table.draw(numbers)
        return features


def as_it_is(batch: Any) -> Any:
    """Return a batch that is already collated."""
    return batch
