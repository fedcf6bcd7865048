"""The cache of a training: which encoders are cached, in which tables, and when."""

from __future__ import annotations

import getpass
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import psutil
import torch
from filelock import FileLock
from torch.utils.data import DataLoader, IterableDataset

from quaterion_core.dataset.chunking import Chunking
from quaterion_core.dataset.distinct_objects import DistinctObjects
from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader
from quaterion_core.encoders.encoder import Encoder, length_functions
from quaterion_core.model import SimilarityModel
from quaterion_core.train.cache.cache_config import CacheConfig, CacheType
from quaterion_core.train.cache.cached_dataset import CachedDataset, CachedEncoder, as_it_is
from quaterion_core.train.cache.embedding_table import EmbeddingTable
from quaterion_core.train.cache.filling import FillProgress, fill_table, plan_batches
from quaterion_core.train.cache.fingerprint import cache_fingerprint
from quaterion_core.train.cache.look_up import LookUp
from quaterion_core.train.cache.object_source import CollatedBatches, ObjectSource
from quaterion_core.types import CollateFnType

_WORKER_ARGUMENTS: Final = (
    "num_workers", "persistent_workers", "prefetch_factor", "multiprocessing_context",
    "worker_init_fn", "timeout", "in_order",
)  # fmt: skip


class TrainingCache:
    """Tables of the frozen encoders of a model, over the data sets of its loaders.

    Args:
        model: The model. Its frozen encoders run once over every distinct object, here and now.
        config: What to cache, where, and how.
        loaders: Training and validation data, which are cached together. They are not changed.
        device: The device of the training.
        processes: Number of processes of the training. Several share their tables on disk, so
            that one of them fills each and the others wait for it.
        chunking: How to cut the batches of the other encoders into chunks, if at all.
        evaluated: Further data to embed without augmentation, such as ``loaders[0]`` once more.

    Attributes:
        keys: Keys of the encoders that are cached.
        look_ups: By key, what looks embeddings up, of all data but augmented ones.

    Raises:
        ValueError: The configuration does not fit the model, or a loader cannot be cached.
    """

    def __init__(
        self,
        model: SimilarityModel,
        config: CacheConfig,
        loaders: list[SimilarityDataLoader[Any]],
        device: torch.device,
        processes: int = 1,
        chunking: Chunking | None = None,
        evaluated: Sequence[SimilarityDataLoader[Any]] = (),
    ):
        self._model = model
        self._config = config
        self._loaders = loaders
        self._evaluated = evaluated
        self._device = device
        self._num_workers = (
            loaders[0].num_workers if config.num_workers is None else config.num_workers
        )
        frozen = {key for key, encoder in model.encoders.items() if not encoder.trainable}
        config.check_keys(frozen, set(model.encoders) - frozen)
        self.keys = sorted(key for key in frozen if config.type_for(key) != CacheType.NONE)
        for key in self.keys:
            _check_views(key, model.encoders[key], config.views)
        self._processes = processes
        self._chunking = chunking
        self.look_ups: dict[str, LookUp] = {}
        self._temporary_folders: list[Path] = []

    def close(self) -> None:
        """Remove what was written to disk for this training alone."""
        for folder in self._temporary_folders:
            with FileLock(f"{folder}.lock"):
                shutil.rmtree(folder, ignore_errors=True)

    def prepare(self) -> list[DataLoader[Any]]:
        """Fill the tables and return a loader over them for each of the given ones."""
        encoders = {key: self._model.encoders[key] for key in self.keys}
        keys = {key: self._config.key_extractor_for(key) for key in self.keys}
        lengths = length_functions(encoders)
        loaders = [*self._loaders, *self._evaluated]
        read = {  # each once, also where the training data are evaluated on too
            loader: ObjectSource(loader, keys, lengths, self._num_workers)
            for loader in dict.fromkeys(loaders)
        }
        sources = [read[loader] for loader in loaders]
        cached = {key: self._cache(key, encoder, sources) for key, encoder in encoders.items()}
        collates = [self._model.train_collates(), self._model.encoder_collates()]
        return [
            self._loader(
                loader,
                read[loader],
                {key: parts[number] for key, parts in cached.items()},
                collates[number],
            )
            for number, loader in enumerate(self._loaders)
        ]

    def _cache(
        self, key: str, encoder: Encoder, sources: list[ObjectSource]
    ) -> list[CachedEncoder]:
        """Cache an encoder; training data that it augments have a table of their own."""
        views = self._config.views
        collate, train_collate = encoder.get_collate_fn(), encoder.get_train_collate_fn()
        if train_collate is None:
            self.look_ups[key], cached = self._fill(key, encoder, sources, collate, views)
            return cached
        train, others = sources[:1], sources[1:]
        _, cached = self._fill(key, encoder, train, train_collate, views)
        if others:
            self.look_ups[key], plain = self._fill(key, encoder, others, collate, views=1)
            cached += plain
        return cached

    def _fill(
        self,
        key: str,
        encoder: Encoder,
        sources: list[ObjectSource],
        collate: CollateFnType,
        views: int,
    ) -> tuple[LookUp, list[CachedEncoder]]:
        """Fill a table of one encoder; return what finds objects in it, and its rows by source."""
        config = self._config
        digests = np.concatenate([source.facts.digests[key] for source in sources])
        distinct = DistinctObjects.from_digests(digests)
        lengths = _lengths(key, sources, distinct)
        assert config.batch_size is not None
        batches = plan_batches(lengths, len(distinct.first), config.batch_size)
        rows = len(distinct.first) * views
        kind = self._place(config.type_for(key), rows * encoder.embedding_size)
        with self._folder(key, encoder, distinct, views, kind, batches) as folder:
            file = None if folder is None else folder / "embeddings.bin"
            table = EmbeddingTable(rows, encoder.embedding_size, config.dtype, file)
            fill_table(
                table,
                encoder,
                sources,
                batches,
                distinct.first,
                name=key,
                collate=collate,
                progress=FillProgress(None if folder is None else folder / "progress.json"),
                views=views,
                num_workers=self._num_workers,
                device=self._device,
            )
            if kind == CacheType.GPU:
                table.to_memory(self._device)
            elif kind == CacheType.CPU and table.file is not None:
                table.to_memory()
        look_up = LookUp(
            encoder, config.key_extractor_for(key), digests[distinct.first], table, views
        )
        meta = self._meta(key, sources, distinct)
        ends = np.cumsum([len(source) for source in sources])[:-1]
        return look_up, [
            CachedEncoder(table, torch.from_numpy(rows.reshape(-1, source.parts)), views, meta)
            for rows, source in zip(np.split(distinct.rows, ends), sources, strict=True)
        ]

    @contextmanager
    def _folder(
        self,
        key: str,
        encoder: Encoder,
        distinct: DistinctObjects,
        views: int,
        kind: CacheType,
        batches: list[npt.NDArray[np.int64]],
    ) -> Iterator[Path | None]:
        """Give the folder of a table, if it is to have one, locked against other processes.

        Without a ``save_dir`` only tables on disk have one, and those that several processes share.
        """
        config = self._config
        if config.save_dir is None and kind != CacheType.DISK and self._processes == 1:
            yield None
            return
        fingerprint = cache_fingerprint(encoder, distinct.digest, str(config.dtype), views, batches)
        temporary = Path(tempfile.gettempdir(), f"quaterion-cache-{getpass.getuser()}")
        folder = Path(config.save_dir or temporary, f"{key}-{fingerprint[:32]}")
        if config.save_dir is None:
            self._temporary_folders.append(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            folder.mkdir(exist_ok=True)
            yield folder

    def _place(self, kind: CacheType, numbers: int) -> CacheType:
        """Decide where a table goes, if the user leaves it open."""
        if kind == CacheType.GPU and self._device.type != "cuda":
            return CacheType.CPU
        if kind != CacheType.AUTO:
            return kind
        size = numbers * self._config.dtype.itemsize
        if self._device.type == "cuda" and size < torch.cuda.mem_get_info(self._device)[0] / 4:
            return CacheType.GPU
        return CacheType.CPU if size < psutil.virtual_memory().available / 2 else CacheType.DISK

    def _meta(
        self, key: str, sources: list[ObjectSource], distinct: DistinctObjects
    ) -> list[dict[str, Any]] | None:
        """Read off the distinct objects what the head wants to know of them."""
        extract = self._model.meta_extractors().get(key)
        if extract is None:
            return None
        meta: list[dict[str, Any]] = []
        for numbers in np.array_split(distinct.first, max(1, len(distinct.first) // 1024)):
            meta.extend(CollatedBatches(sources, [numbers], extract)[0])
        return meta

    def _loader(
        self,
        loader: SimilarityDataLoader[Any],
        source: ObjectSource,
        cached: dict[str, CachedEncoder],
        collates: dict[str, CollateFnType],
    ) -> DataLoader[Any]:
        """Make a loader that gives the batches which the given one would, from the tables."""
        raw = [key for key in self._model.encoders if key not in cached]
        arguments = {**loader.original_params, "collate_fn": as_it_is}
        if not raw:
            arguments = {k: v for k, v in arguments.items() if k not in _WORKER_ARGUMENTS}
        samples = source.dataset if raw else None
        if raw and isinstance(samples, IterableDataset):
            raise ValueError(
                "An iterable data set cannot be cached while other encoders "
                f"({', '.join(raw)}) need its raw objects. Use a data set with an index."
            )
        extractors = self._model.meta_extractors()
        dataset = CachedDataset(
            source.loader_type,
            source.facts.targets,
            cached,
            samples,
            {key: collates[key] for key in raw},
            {key: extractors[key] for key in raw if key in extractors},
            self._chunking if raw else None,
        )
        return DataLoader(dataset, **arguments)


def _check_views(key: str, encoder: Encoder, views: int) -> None:
    if views == 1 and encoder.get_train_collate_fn() is not None:
        raise ValueError(
            f"The encoder {key!r} augments training data, but the cache keeps one embedding of "
            "each object, so that its first augmentation would be the only one. Ask for several "
            "with views=8, or turn the augmentation or the cache off."
        )


def _lengths(
    key: str, sources: list[ObjectSource], distinct: DistinctObjects
) -> npt.NDArray[np.int64] | None:
    """Return the lengths of the distinct objects, if the encoder tells them."""
    if key not in sources[0].facts.lengths:
        return None
    lengths: npt.NDArray[np.int64] = np.concatenate([s.facts.lengths[key] for s in sources])
    return lengths[distinct.first]
