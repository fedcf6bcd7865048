"""A data set of row numbers: batches are looked up in tables instead of being embedded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader
from quaterion_core.dataset.train_collator import Features, collate_features
from quaterion_core.train.cache.embedding_table import EmbeddingTable
from quaterion_core.types import CollateFnType, MetaExtractorFnType, Targets


@dataclass(frozen=True, slots=True)
class CachedEncoder:
    """The table of one encoder, and which rows the objects of a data set have.

    Attributes:
        table: The table; row r · ``views`` + v is view v of object r.
        rows: Row of each object of each sample, shape (S, P).
        views: Number of views of each object.
        meta: What the encoder reads off the object of each row, if it reads anything.
    """

    table: EmbeddingTable
    rows: Tensor
    views: int
    meta: list[dict[str, Any]] | None


class CachedDataset(Dataset[tuple[Features, Targets]]):
    """Yields whole batches: embeddings of the cached encoders, and targets.

    Args:
        loader_type: The loader class that the samples are for.
        targets: Targets of all samples, first dimension S.
        cached: The cached encoders by key.
        samples: The raw samples, for the encoders that are not cached; ``None`` if all are.
        collates: Collate functions of the encoders that are not cached.
        meta_extractors: Meta extractors of the encoders that are not cached.
    """

    def __init__(
        self,
        loader_type: type[SimilarityDataLoader[Any]],
        targets: Targets,
        cached: Mapping[str, CachedEncoder],
        samples: Any = None,
        collates: Mapping[str, CollateFnType] | None = None,
        meta_extractors: Mapping[str, MetaExtractorFnType] | None = None,
    ):
        self._loader_type = loader_type
        self._targets = targets
        self._cached = dict(cached)
        self._samples = samples
        self._collates = dict(collates or {})
        self._meta_extractors = dict(meta_extractors or {})

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
        features = self._raw_features(indices, len(chosen))
        for key, cached in self._cached.items():
            rows = cached.rows.index_select(0, chosen).T.flatten()  # first objects, then second
            if cached.meta is not None:
                features["meta"] = features["meta"] or [{} for _ in range(features["count"])]
                for facts, row in zip(features["meta"], rows.tolist(), strict=True):
                    facts.update(cached.meta[row])
            if cached.views > 1:
                rows = rows * cached.views + torch.randint(cached.views, rows.shape)
            features["data"][key] = cached.table.look_up(rows)
        return features, targets

    def _raw_features(self, indices: list[int], count: int) -> Features:
        """Collate the raw objects for the encoders that are not cached."""
        if not self._collates:
            parts = next(iter(self._cached.values())).rows.shape[1]
            return {"data": {}, "meta": [], "count": count * parts}
        samples = [self._samples[index] for index in indices]
        objects, _ = self._loader_type.flatten_objects(samples, indices)
        return collate_features(objects, self._collates, self._meta_extractors)


def as_it_is(batch: Any) -> Any:
    """Pass a batch on that is collated already."""
    return batch
