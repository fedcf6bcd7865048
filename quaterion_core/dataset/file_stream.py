"""Samples that are read from files as they are needed, in a random order of bounded memory."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol, TypeVar

import torch
import torch.distributed as dist
from torch.utils.data import IterableDataset, get_worker_info

from quaterion_core.dataset.similarity_samples import SimilaritySample

T = TypeVar("T")


class Iterated(Protocol):
    """What a stream reads: splits whose samples come one after another."""

    def iterate(self, split: str) -> Iterator[SimilaritySample]:
        """Yield the samples of a split."""


class FileStream(IterableDataset[SimilaritySample]):
    """Iterable dataset of the samples of files, for data beyond memory.

    Memory is that of ``buffer_size`` samples in each worker. Workers and processes share the
    samples: each one reads the files, and keeps its part. In several processes all get equally many
    samples, for which a few of the last ones may be left out.

    The order is random and another one in each epoch. It follows from PyTorch's random numbers, so
    that :func:`pytorch_lightning.seed_everything` repeats it, and
    :meth:`Quaterion.fit <quaterion_core.Quaterion.fit>` resumes it.

    Args:
        dataset: Yields the samples of a split.
        split: The split.
        buffer_size: Number of samples among which the next one is drawn; 1 for the order of the
            files. The larger it is, the better are samples mixed that lie far from one another.

    Raises:
        ValueError: ``buffer_size`` is less than 1.

    Example:
        >>> class Numbers:
        ...     def iterate(self, split): return iter(range(100))
        >>> stream = FileStream(Numbers(), "train", buffer_size=10)
        >>> once, again = list(stream), list(stream)
        >>> once != again, sorted(once) == sorted(again) == list(range(100))
        (True, True)
    """

    def __init__(self, dataset: Iterated, split: str, buffer_size: int = 10_000):
        if type(buffer_size) is not int or buffer_size < 1:
            raise ValueError(
                f"Expected buffer_size as a positive number of samples, got {buffer_size!r}."
            )
        self._dataset = dataset
        self._split = split
        self._buffer_size = buffer_size

    def __iter__(self) -> Iterator[SimilaritySample]:
        worker = get_worker_info()
        workers, number = (1, 0) if worker is None else (worker.num_workers, worker.id)
        rank, processes = _place()
        samples = self._dataset.iterate(self._split)
        if processes > 1:
            samples = islice(_whole_rounds(samples, processes), rank, None, processes)
        share = islice(samples, number, None, workers)
        generator = random.Random(int(torch.randint(2**62, ())))
        return _shuffled(share, self._buffer_size, generator)


def _whole_rounds(items: Iterator[T], size: int) -> Iterator[T]:
    """Yield items in rounds of so many; a last round that is not full is left out."""
    while len(full := list(islice(items, size))) == size:
        yield from full


def _shuffled(items: Iterable[T], buffer_size: int, generator: random.Random) -> Iterator[T]:
    """Yield items in random order: each one is drawn from a buffer that the next one fills up."""
    if buffer_size == 1:
        yield from items
        return
    buffer: list[T] = []
    for item in items:
        if len(buffer) < buffer_size:
            buffer.append(item)
            continue
        chosen = generator.randrange(buffer_size)
        yield buffer[chosen]
        buffer[chosen] = item
    generator.shuffle(buffer)
    yield from buffer


def _place() -> tuple[int, int]:
    """Return the number of this process and the number of processes."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
