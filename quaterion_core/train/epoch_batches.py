"""Which samples make up each batch of an epoch, in every process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import chain
from typing import Any, Protocol

import numpy as np
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch.utils.data import DataLoader, IterableDataset, Sampler

from quaterion_core.dataset.batch_samplers import BatchSampler, SampleFacts, read_facts
from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader


class BatchPlan(Protocol):
    """The batches of an epoch over all processes."""

    def __call__(self, seed: int, processes: int) -> list[list[int]]:
        """Return the indices of the samples of each batch.

        Args:
            seed: Of the epoch; the same in all processes.
            processes: Number of processes that will share a batch.
        """


class LoaderPlan:
    """The batches that a loader's own sampler gives.

    As many batches of the loader as there are processes make up one batch over all of them. The
    sampler is seeded, in whatever library it draws its numbers, so that it gives the same batches
    in every process.

    Args:
        loader: A loader with a batch sampler.

    Example:
        >>> plan = LoaderPlan(DataLoader([*"abcdefg"], batch_size=2))
        >>> plan(0, 1)
        [[0, 1], [2, 3], [4, 5], [6]]
        >>> plan(0, 2)
        [[0, 1, 2, 3], [4, 5, 6]]
    """

    def __init__(self, loader: DataLoader[Any]):
        self._batch_sampler = loader.batch_sampler or ()
        self._drop_last = loader.drop_last

    def __call__(self, seed: int, processes: int) -> list[list[int]]:
        """Return the indices of the samples of each batch."""
        with isolate_rng():
            seed_everywhere(seed)
            own = [list(batch) for batch in self._batch_sampler]
        if self._drop_last:
            own = own[: len(own) - len(own) % processes]
        return [
            list(chain.from_iterable(own[start : start + processes]))
            for start in range(0, len(own), processes)
        ]


def ordered_plan(loader: DataLoader[Any]) -> LoaderPlan:
    """Return the batches of a loader's data set in its order, whatever the loader's own sampler.

    Example:
        >>> ordered_plan(DataLoader([*"abcdefg"], batch_size=4, shuffle=True))(0, 1)
        [[0, 1, 2, 3], [4, 5, 6]]
    """
    size = loader.batch_size or 1
    return LoaderPlan(DataLoader(loader.dataset, batch_size=size, drop_last=loader.drop_last))


class SamplerPlan:
    """The batches that a batch sampler makes of a loader's samples.

    These are read once, and again when a ``revision`` of the data set says that they changed.

    Args:
        sampler: The batch sampler.
        loader: A loader with a batch size, over data with an index and a length.
        processes: Number of processes that will share a batch.

    Raises:
        ValueError: It is another loader, or its batch size does not suit the sampler.
    """

    def __init__(self, sampler: BatchSampler, loader: SimilarityDataLoader[Any], processes: int):
        if loader.batch_size is None or isinstance(loader.dataset, IterableDataset):
            raise ValueError(
                "A batch_sampler needs a loader with a batch_size over a data set with an index "
                f"and a length, but this one has batch_size={loader.batch_size} over a "
                f"{type(loader.dataset).__name__}."
            )
        sampler.check_batch_size(loader.batch_size * processes)
        self._sampler = sampler
        self._loader = loader
        self._size = loader.batch_size
        self._known: tuple[int, SampleFacts] | None = None

    def __call__(self, seed: int, processes: int) -> list[list[int]]:
        """Return the indices of the samples of each batch."""
        revision = getattr(self._loader.dataset, "revision", 0)
        if self._known is None or self._known[0] != revision:
            with isolate_rng():  # a loader draws a number
                self._known = revision, read_facts(self._loader, self._loader.num_workers)
        generator = torch.Generator().manual_seed(seed)
        return self._sampler.batches(self._known[1], self._size * processes, generator)


def seed_everywhere(seed: int) -> None:
    """Seed the random numbers of Python, NumPy and PyTorch, and nothing else.

    Lightning's function leaves the seed in the environment too, for processes that start later.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def share(batches: list[list[int]], rank: int, processes: int) -> list[list[int]]:
    """Cut each batch into nearly equal parts and return those of one process.

    All processes get equally many batches, and every sample is in one part. A batch of fewer
    samples than there are processes joins the one before it.

    Args:
        batches: Batches over all processes.
        rank: Number of the process.
        processes: Number of processes W.

    Raises:
        ValueError: There are fewer samples than processes.

    Example:
        >>> share([[0, 1, 2, 3], [4, 5, 6]], rank=1, processes=2)
        [[2, 3], [6]]
        >>> share([[0, 1, 2, 3], [4]], rank=0, processes=2)
        [[0, 1, 2]]
    """
    if processes == 1:
        return batches
    joined: list[list[int]] = []
    for batch in batches:
        if len(batch) < processes and joined:
            joined[-1] = joined[-1] + batch
        else:
            joined.append(batch)
    if joined and len(joined[0]) < processes:
        raise ValueError(
            f"A batch of {len(joined[0])} samples cannot be shared by {processes} processes. Train "
            "with fewer processes, or with more data."
        )
    return [_part(batch, rank, processes) for batch in joined]


def _part(batch: list[int], rank: int, processes: int) -> list[int]:
    """Return one of the parts of a batch, of which the first ones are the longer ones."""
    size, longer = divmod(len(batch), processes)
    start = rank * size + min(rank, longer)
    return batch[start : start + size + (rank < longer)]


class EpochBatches(Sampler[list[int]]):
    """The batches of one process in one epoch, as the batch sampler of a loader.

    Every epoch has as many batches as the first: where the plan gives more, the rest waits for
    another epoch; where it gives fewer, it starts over with another seed.

    Args:
        plan: The batches of an epoch over all processes.
    """

    def __init__(self, plan: BatchPlan):
        self._plan = plan
        self._length: int | None = None
        self._current: list[list[int]] = []

    def start(self, seed: int, rank: int, processes: int, skip: int = 0) -> None:
        """Begin an epoch.

        Args:
            seed: The same in all processes.
            rank: Number of this process.
            processes: Number of processes.
            skip: Number of batches that were done before.
        """
        length = self.length(rank, processes)
        batches: list[list[int]] = []
        while len(batches) < length:
            batches += share(self._plan(seed, processes), rank, processes)
            seed += 1
        self._current = batches[skip:length]

    def length(self, rank: int, processes: int) -> int:
        """Return the number of batches of this process in each epoch."""
        if self._length is None:
            self._length = len(share(self._plan(0, processes), rank, processes))
        return self._length

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._current)

    def __len__(self) -> int:
        return len(self._current)
