"""Composition of the batches of an epoch, in every process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch.utils.data import DataLoader, IterableDataset, Sampler

from quaterion_core.dataset.batch_samplers import BatchSampler, SampleFacts, read_facts
from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader


class BatchPlan(Protocol):
    """The batches of an epoch over all processes."""

    def __call__(self, seed: int, processes: int) -> list[list[int]]:
        """Return the indices of the samples of each batch.

        Args:
            seed: Seed of the epoch; the same in all processes.
            processes: Number of processes that will share a batch.
        """


class LoaderPlan:
    """The batches that a loader's own sampler yields.

    With W processes, W batches of the loader form one batch over all processes. Python, NumPy and
    PyTorch are seeded for the sampler, so it yields the same batches in every process.

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
        with seeded(seed):
            own = [list(batch) for batch in self._batch_sampler]
        if self._drop_last:
            own = own[: len(own) - len(own) % processes]
        return [
            list(chain.from_iterable(own[start : start + processes]))
            for start in range(0, len(own), processes)
        ]


def ordered_plan(loader: DataLoader[Any]) -> LoaderPlan:
    """Return the batches of a loader's dataset in order, regardless of the loader's sampler.

    Example:
        >>> ordered_plan(DataLoader([*"abcdefg"], batch_size=4, shuffle=True))(0, 1)
        [[0, 1, 2, 3], [4, 5, 6]]
    """
    size = loader.batch_size or 1
    return LoaderPlan(DataLoader(loader.dataset, batch_size=size, drop_last=loader.drop_last))


class SamplerPlan:
    """The batches that a batch sampler forms from a loader's samples.

    The samples are read once, and again whenever the ``revision`` of the dataset changes. A batch
    with fewer samples than processes cannot be shared: the last one is merged with the batch
    before it if the sampler allows it, any other one is left out. A warning is issued once if
    samples are left out of an epoch, or if batches consist of a single group. ``drop_last`` of the
    loader has no effect: the sampler forms batches of similar sizes.

    Args:
        sampler: The batch sampler.
        loader: A loader with a batch size, over a map-style dataset with a length.
        processes: Number of processes that will share a batch.

    Raises:
        ValueError: The loader is of another kind, or its batch size does not suit the sampler.
    """

    def __init__(self, sampler: BatchSampler, loader: SimilarityDataLoader[Any], processes: int):
        if loader.batch_size is None or isinstance(loader.dataset, IterableDataset):
            raise ValueError(
                "Expected a loader with a batch_size over a dataset with an index and a length for "
                f"a batch_sampler, got batch_size={loader.batch_size} over a "
                f"{type(loader.dataset).__name__}."
            )
        sampler.check_batch_size(loader.batch_size * processes)
        self._sampler = sampler
        self._loader = loader
        self._size = loader.batch_size
        self._known: tuple[int, SampleFacts] | None = None
        self._has_reported = False
        self._has_examined = False

    def __call__(self, seed: int, processes: int) -> list[list[int]]:
        """Return the indices of the samples of each batch."""
        revision = getattr(self._loader.dataset, "revision", 0)
        if self._known is None or self._known[0] != revision:
            with seeded(0):  # a loader draws a number
                self._known = revision, read_facts(self._loader, self._loader.num_workers)
        facts = self._known[1]
        generator = torch.Generator().manual_seed(seed)
        batches = self._sampler.batches(facts, self._size * processes, generator)
        if len(batches) > 1 and len(batches[-1]) < processes:
            joined = batches[-2] + batches[-1]
            if self._sampler.may_join(facts, joined):
                batches[-2:] = [joined]
        batches = [batch for batch in batches if len(batch) >= processes]
        if not batches:
            raise ValueError(too_few_samples(len(facts), processes))
        self._report(len(facts) - sum(map(len, batches)), len(facts))
        self._report_single_groups(batches, facts)
        return batches

    def _report(self, left_out: int, samples: int) -> None:
        if not left_out or self._has_reported:
            return
        self._has_reported = True
        because = self._sampler.left_out_because
        rank_zero_warn(
            f"The batch sampler leaves {left_out} of {samples} samples out of an epoch"
            f"{', since ' + because if because else ''}. Each epoch draws anew which ones."
        )

    def _report_single_groups(self, batches: list[list[int]], facts: SampleFacts) -> None:
        """Warn of batches without negatives, in the first epoch."""
        groups = facts.targets.get("groups")
        if groups is None or self._has_examined:
            return
        self._has_examined = True
        alone = sum(bool((groups[batch] == groups[batch[0]]).all()) for batch in batches)
        if alone:
            rank_zero_warn(
                f"{alone} of {len(batches)} batches of an epoch consist of samples of one group, "
                "without negatives, so most losses learn nothing from them. Use fewer samples of "
                "the largest groups, or a larger batch_size."
            )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the random numbers of Python, NumPy and PyTorch (CPU) within a ``with`` block.

    Afterwards the previous random states are restored.

    Example:
        >>> with seeded(3):
        ...     first = torch.rand(2)
        >>> with seeded(3):
        ...     torch.equal(first, torch.rand(2))
        True
    """
    state = random_state()
    try:
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.default_generator.manual_seed(seed)
        yield
    finally:
        set_random_state(state)


def random_state() -> tuple[Any, Any, torch.Tensor]:
    """Return the random states of Python, NumPy and PyTorch (CPU)."""
    return random.getstate(), np.random.get_state(), torch.get_rng_state()


def set_random_state(state: tuple[Any, Any, torch.Tensor]) -> None:
    """Restore the random states that :func:`random_state` returned."""
    python, numpy, pytorch = state
    random.setstate(python)
    np.random.set_state(numpy)
    torch.set_rng_state(pytorch)


def mixed_seed(*numbers: int) -> int:
    """Return a seed below 2 ** 63 that depends on all of the given non-negative integers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1


def share(batches: list[list[int]], rank: int, processes: int) -> list[list[int]]:
    """Split each batch into nearly equal parts and return those of one process.

    All processes get the same number of batches, and every sample is in exactly one part. A last
    batch with fewer samples than processes is merged with the one before it.

    Args:
        batches: Batches over all processes.
        rank: Number of the process.
        processes: Number of processes W.

    Raises:
        ValueError: There is no batch, or one has fewer samples than processes.

    Example:
        >>> share([[0, 1, 2, 3], [4, 5, 6]], rank=1, processes=2)
        [[2, 3], [6]]
        >>> share([[0, 1, 2, 3], [4]], rank=0, processes=2)
        [[0, 1, 2]]
    """
    if len(batches) > 1 and len(batches[-1]) < processes:
        batches = [*batches[:-2], batches[-2] + batches[-1]]
    smallest = min(map(len, batches), default=0)
    if smallest < processes:
        raise ValueError(too_few_samples(smallest, processes))
    return [_part(batch, rank, processes) for batch in batches]


def too_few_samples(samples: int, processes: int) -> str:
    """Return the message for a batch with fewer samples than processes."""
    return (
        f"Expected at least one sample for each of {processes} processes in a batch, got a batch "
        f"of {samples} samples. Use fewer processes, more data or a larger batch_size."
    )


def _part(batch: list[int], rank: int, processes: int) -> list[int]:
    """Return the part of a batch for one process; the first parts may be longer by one."""
    size, longer = divmod(len(batch), processes)
    start = rank * size + min(rank, longer)
    return batch[start : start + size + (rank < longer)]


class SeededIndices(NamedTuple):
    """The samples of a batch in one process, with a seed.

    Attributes:
        seed: Seed for the random numbers drawn while these samples are read and collated.
        indices: Indices of the samples.
    """

    seed: int
    indices: list[int]


class EpochBatches(Sampler[SeededIndices]):
    """Sampler of the batches of one process in one epoch.

    Args:
        plan: The batches of an epoch over all processes.
    """

    def __init__(self, plan: BatchPlan):
        self._plan = plan
        self._planned: tuple[int, list[list[int]]] | None = None
        self._current: list[SeededIndices] = []
        self._skipped = 0

    def start(self, seed: int, rank: int, processes: int, length: int, skip: int = 0) -> None:
        """Begin an epoch.

        Args:
            seed: Seed of the epoch; the same in all processes.
            rank: Rank of this process.
            processes: Number of processes.
            length: Number of batches. If the plan has more, the rest is left out of this epoch; if
                it has fewer, it starts over with another seed.
            skip: Number of batches that are already done.
        """
        batches = self._share(seed, rank, processes)
        while len(batches) < length:
            seed += 1
            batches = batches + share(self._plan(seed, processes), rank, processes)
        self._planned = None
        self._current = [
            SeededIndices(mixed_seed(seed, rank, number), batch)
            for number, batch in enumerate(batches[:length])
        ][skip:]
        self._skipped = skip

    def samples(self, number: int) -> list[int]:
        """Return the indices of a batch of the current epoch; empty if it is not to be read."""
        position = number - self._skipped
        if not 0 <= position < len(self._current):
            return []
        return self._current[position].indices

    def count(self, seed: int, rank: int, processes: int) -> int:
        """Return the number of batches that the plan has for the epoch of a seed."""
        return len(self._share(seed, rank, processes))

    def _share(self, seed: int, rank: int, processes: int) -> list[list[int]]:
        """Return the batches of a process, cached until their epoch starts."""
        if self._planned is None or self._planned[0] != seed:
            self._planned = seed, share(self._plan(seed, processes), rank, processes)
        return self._planned[1]

    def __iter__(self) -> Iterator[SeededIndices]:
        return iter(self._current)

    def __len__(self) -> int:
        return len(self._current)
