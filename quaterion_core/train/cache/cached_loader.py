"""Loaders that read embeddings from tables instead of running encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from torch.utils.data import DataLoader, IterableDataset

from quaterion_core.dataset.chunking import Chunking
from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader
from quaterion_core.encoders.encoder import Encoder, meta_extractors
from quaterion_core.train.cache.cached_dataset import CachedDataset, CachedObjects, as_it_is
from quaterion_core.train.cache.object_source import ObjectSource
from quaterion_core.types import CollateFnType

_WORKER_ARGUMENTS: Final = (
    "num_workers", "persistent_workers", "prefetch_factor", "multiprocessing_context",
    "worker_init_fn", "timeout", "in_order",
)  # fmt: skip


def cached_loader(
    loader: SimilarityDataLoader[Any],
    source: ObjectSource,
    cached: Mapping[str, CachedObjects],
    others: Mapping[str, Encoder],
    collates_of: Callable[[Mapping[str, Encoder]], dict[str, CollateFnType]],
    chunking: Chunking | None,
) -> DataLoader[Any]:
    """Make a loader that yields the batches of a given one, with embeddings read from tables.

    Args:
        loader: The given loader.
        source: Its objects.
        cached: Its objects as table rows, by key of the cached encoder.
        others: The encoders that are not cached, by key. They collate raw objects.
        collates_of: Returns the collate functions of encoders.
        chunking: How to split the batches of the other encoders into chunks, if at all.

    Raises:
        ValueError: The dataset is iterable, and there are encoders that are not cached.
    """
    arguments = {**loader.original_params, "collate_fn": as_it_is}
    samples = None
    if others:
        samples = source.dataset
        if isinstance(samples, IterableDataset):
            raise ValueError(
                "An iterable dataset cannot be cached while other encoders "
                f"({', '.join(others)}) need its raw objects. Use a map-style dataset."
            )
    else:
        arguments = {k: v for k, v in arguments.items() if k not in _WORKER_ARGUMENTS}
    dataset = CachedDataset(
        source.loader_type,
        source.facts.targets,
        cached,
        samples,
        collates_of(others),
        meta_extractors(others),
        chunking if others else None,
    )
    return DataLoader(dataset, **arguments)
