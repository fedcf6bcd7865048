"""Streams of samples read from files on demand, shuffled in bounded memory."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist
from torch.utils.data import IterableDataset, get_worker_info

from quaterion_core.dataset.similarity_samples import SimilaritySample

T = TypeVar("T")


class Iterated(Protocol):
    """Dataset whose splits can be read sample by sample."""

    def iterate(self, split: str) -> Iterator[SimilaritySample]:
        """Yield the samples of a split."""


class FileStream(IterableDataset[SimilaritySample]):
    """Iterable dataset of the samples of files, for data that do not fit in memory.

    Each worker holds ``buffer_size`` samples in memory. Samples are sharded over workers and
    processes: each one reads all files and keeps its share. With several processes, all get the
    same number of samples; up to P - 1 samples at the end are dropped for P processes.

    The order is random and differs between epochs. It is drawn from PyTorch's generator:
    :func:`pytorch_lightning.seed_everything` makes it reproducible, and an interrupted
    :meth:`Quaterion.fit <quaterion_core.Quaterion.fit>` resumes in the same order.

    Args:
        dataset: Dataset that yields the samples of a split.
        split: Name of the split.
        buffer_size: Number of samples from which the next one is drawn; 1 keeps the order of the
            files. A larger buffer shuffles better.

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
                f"Expected buffer_size to be a positive number of samples, got {buffer_size!r}."
            )
        self._dataset = dataset
        self._split = split
        self._buffer_size = buffer_size
        self._process: tuple[int, int] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the rank, which a spawned worker cannot look up."""
        return {**self.__dict__, "_process": self._process or _place()}

    def __iter__(self) -> Iterator[SimilaritySample]:
        worker = get_worker_info()
        workers, number = (1, 0) if worker is None else (worker.num_workers, worker.id)
        rank, processes = self._process or _place()
        samples = self._dataset.iterate(self._split)
        if processes > 1:
            samples = islice(_whole_rounds(samples, processes), rank, None, processes)
        share = islice(samples, number, None, workers)
        generator = random.Random(int(torch.randint(2**62, ())))
        return _shuffled(share, self._buffer_size, generator)


def _whole_rounds(items: Iterator[T], size: int) -> Iterator[T]:
    """Yield items in rounds of ``size``; an incomplete last round is dropped."""
    while len(full := list(islice(items, size))) == size:
        yield from full


def _shuffled(items: Iterable[T], buffer_size: int, generator: random.Random) -> Iterator[T]:
    """Yield items in random order, each drawn from a buffer, where the next item replaces it."""
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
    """Return the rank of this process and the number of processes."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
