"""The cache of a training run: which encoders are cached, in which tables, and when."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader

from quaterion_core.dataset.chunking import Chunking
from quaterion_core.dataset.distinct_objects import DistinctObjects
from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader
from quaterion_core.dataset.train_collator import collate_features
from quaterion_core.encoders.encoder import (
    Encoder,
    collate_functions,
    length_functions,
    meta_extractors,
    train_collate_functions,
)
from quaterion_core.heads.encoder_head import head_meta_extractors
from quaterion_core.model import SimilarityModel
from quaterion_core.train.cache.cache_config import CacheConfig, CacheType
from quaterion_core.train.cache.cached_dataset import CachedObjects
from quaterion_core.train.cache.cached_loader import cached_loader
from quaterion_core.train.cache.embedding_table import EmbeddingTable
from quaterion_core.train.cache.filling import FillProgress, fill_table, plan_batches
from quaterion_core.train.cache.fingerprint import cache_fingerprint
from quaterion_core.train.cache.object_source import CollatedBatches, ObjectSource
from quaterion_core.train.cache.table_encoder import LookUp, TableEncoder
from quaterion_core.train.cache.table_places import TablePlaces
from quaterion_core.types import CollateFnType


class CachedLoaders(NamedTuple):
    """Loaders over tables of embeddings, which replace those over raw objects.

    Attributes:
        train: Training data.
        validation: Validation data, if there are any.
    """

    train: DataLoader[Any]
    validation: DataLoader[Any] | None


class TrainingCache:
    """Tables of the frozen encoders of a model, over the datasets of its loaders.

    Args:
        model: The model. Its frozen encoders run once over every distinct object.
        config: What to cache, where, and how.
        train: Training data. Loaders are not changed.
        validation: Validation data, if there are any.
        evaluated: Further data to embed without augmentation, such as ``train`` once more.
        device: The device of the training run.
        processes: Number of processes of the training run. Several share their tables on disk:
            one of them fills each table and the others wait for it.
        chunking: How to split the batches of the other encoders into chunks, if at all.

    Attributes:
        keys: Keys of the encoders that are cached.

    Raises:
        ValueError: The configuration does not fit the model, or a loader cannot be cached.
    """

    def __init__(
        self,
        model: SimilarityModel,
        config: CacheConfig,
        train: SimilarityDataLoader[Any],
        validation: SimilarityDataLoader[Any] | None = None,
        evaluated: Sequence[SimilarityDataLoader[Any]] = (),
        *,
        device: torch.device,
        processes: int = 1,
        chunking: Chunking | None = None,
    ):
        self._model = model
        self._config = config
        self._train = train
        self._validation = validation
        self._others = [*([] if validation is None else [validation]), *evaluated]
        self._device = device
        self._num_workers = train.num_workers if config.num_workers is None else config.num_workers
        frozen = {key for key, encoder in model.encoders.items() if not encoder.trainable}
        config.check_keys(frozen, set(model.encoders) - frozen)
        self.keys = sorted(key for key in frozen if config.type_for(key) != CacheType.NONE)
        for key in self.keys:
            _check_views(key, model.encoders[key], config.views)
        self._places = TablePlaces(config, device, processes)
        self._chunking = chunking

    def close(self) -> None:
        """Remove the temporary files of this training run."""
        self._places.close()

    def fill(self) -> tuple[CachedLoaders, dict[str, TableEncoder]]:
        """Embed all objects.

        Returns:
            Loaders over the tables, and by key the encoders that read all data except augmented
            ones from them.
        """
        encoders = {key: self._model.encoders[key] for key in self.keys}
        keys = {key: self._config.key_extractor_for(key) for key in self.keys}
        lengths = length_functions(encoders)
        read = {  # each once, also where the training data are evaluated on too
            loader: ObjectSource(loader, keys, lengths, self._num_workers)
            for loader in dict.fromkeys([self._train, *self._others])
        }
        train, others = read[self._train], [read[loader] for loader in self._others]
        cached = {
            key: self._cache(key, encoder, train, others) for key, encoder in encoders.items()
        }
        live = {k: e for k, e in self._model.encoders.items() if k not in cached}
        loaders = CachedLoaders(
            cached_loader(
                self._train,
                train,
                {key: objects[0] for key, (_, objects) in cached.items()},
                live,
                train_collate_functions,
                self._chunking,
            ),
            None
            if self._validation is None
            else cached_loader(
                self._validation,
                read[self._validation],
                {key: objects[1] for key, (_, objects) in cached.items()},
                live,
                collate_functions,
                self._chunking,
            ),
        )
        return loaders, {
            key: TableEncoder(encoder, cached[key][0]) for key, encoder in encoders.items()
        }

    def _cache(
        self, key: str, encoder: Encoder, train: ObjectSource, others: list[ObjectSource]
    ) -> tuple[LookUp | None, list[CachedObjects]]:
        """Cache an encoder; training data that it augments have a table of their own.

        Returns:
            The look-up of objects that are not augmented, and the objects of ``train`` and of
            each other loader.
        """
        views = self._config.views
        collate, train_collate = encoder.get_collate_fn(), encoder.get_train_collate_fn()
        if train_collate is None:
            return self._fill(key, encoder, [train, *others], collate, views)
        _, augmented = self._fill(key, encoder, [train], train_collate, views)
        if not others:
            return None, augmented
        look_up, plain = self._fill(key, encoder, others, collate, views=1)
        return look_up, augmented + plain

    def _fill(
        self,
        key: str,
        encoder: Encoder,
        sources: list[ObjectSource],
        collate: CollateFnType,
        views: int,
    ) -> tuple[LookUp, list[CachedObjects]]:
        """Fill a table of one encoder; return its look-up, and the objects by source."""
        config = self._config
        digests = np.concatenate([source.facts.digests[key] for source in sources])
        distinct = DistinctObjects.from_digests(digests)
        lengths = _lengths(key, sources, distinct)
        assert config.batch_size is not None
        batches = plan_batches(lengths, len(distinct.first), config.batch_size)
        numbers = len(distinct.first) * views * encoder.embedding_size
        kind = self._places.kind(key, numbers)

        def name() -> str:
            dtype = str(config.dtype)
            fingerprint = cache_fingerprint(encoder, distinct.digest, dtype, views, batches)
            return f"{key}-{fingerprint[:32]}"

        with self._places.folder(kind, name) as folder:
            file = None if folder is None else folder / "embeddings.bin"
            table = EmbeddingTable(
                len(distinct.first), encoder.embedding_size, config.dtype, file, views
            )
            fill_table(
                table,
                encoder,
                sources,
                batches,
                distinct.first,
                name=key,
                collate=collate,
                progress=FillProgress(None if folder is None else folder / "progress.json"),
                num_workers=self._num_workers,
                device=self._device,
            )
            if kind == CacheType.GPU:
                table.to_memory(self._device)
            elif kind == CacheType.CPU and table.file is not None:
                table.to_memory()
        look_up = LookUp(
            encoder.get_collate_fn(),
            config.key_extractor_for(key),
            digests[distinct.first],
            table,
        )
        meta = self._meta(key, sources, distinct)
        ends = np.cumsum([len(source) for source in sources])[:-1]
        return look_up, [
            CachedObjects(table, torch.from_numpy(rows.reshape(-1, source.parts)), meta)
            for rows, source in zip(np.split(distinct.rows, ends), sources, strict=True)
        ]

    def _meta(
        self, key: str, sources: list[ObjectSource], distinct: DistinctObjects
    ) -> list[dict[str, Any]] | None:
        """Read the meta of the distinct objects, if the encoder reads any.

        That of the head is read along with that of the first encoder.
        """
        extractors = meta_extractors({key: self._model.encoders[key]})
        if key == self.keys[0]:
            extractors |= head_meta_extractors(self._model.head)
        if not extractors:
            return None
        extract = partial(collate_features, encoder_collates={}, meta_extractors=extractors)
        meta: list[dict[str, Any]] = []
        for numbers in np.array_split(distinct.first, max(1, len(distinct.first) // 1024)):
            meta.extend(CollatedBatches(sources, [numbers], extract)[0]["meta"])
        return meta


def _check_views(key: str, encoder: Encoder, views: int) -> None:
    if views == 1 and encoder.get_train_collate_fn() is not None:
        raise ValueError(
            f"The encoder {key!r} augments training data, but the cache keeps one embedding of "
            "each object, so every epoch would see the same augmentation. Keep several with "
            "views=8, or turn off the augmentation or the cache."
        )


def _lengths(
    key: str, sources: list[ObjectSource], distinct: DistinctObjects
) -> npt.NDArray[np.int64] | None:
    """Return the lengths of the distinct objects, if the encoder provides them."""
    if key not in sources[0].facts.lengths:
        return None
    lengths: npt.NDArray[np.int64] = np.concatenate([s.facts.lengths[key] for s in sources])
    return lengths[distinct.first]
