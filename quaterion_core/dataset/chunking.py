"""Division of the objects of a batch into chunks that are embedded one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

LengthsFn: TypeAlias = Callable[[list[Any]], Sequence[int]]
"""Returns how much work each of N raw objects is."""


class Chunking:
    """Division of the objects of a batch into chunks of similar lengths, to reduce padding.

    Args:
        size: Number of objects in a chunk.
        lengths: Functions that return the lengths of objects, by encoder. Their sum is used.

    Example:
        >>> chunking = Chunking(2, {"text": lambda texts: [len(text) for text in texts]})
        >>> chunking(["a", "two", "three", "or"])
        [[0, 3], [1, 2]]
        >>> Chunking(2)(["a", "two", "three"])
        [[0, 1], [2]]
    """

    def __init__(self, size: int, lengths: Mapping[str, LengthsFn] | None = None):
        self._size = size
        self._lengths = dict(lengths or {})

    def __call__(self, objects: list[Any]) -> list[list[int]]:
        """Return the positions of the objects of each chunk, shortest first.

        The backward pass then starts with the longest, and the others fit into the memory that
        these have freed.
        """
        work = [0] * len(objects)
        for lengths in self._lengths.values():
            work = [sum(pair) for pair in zip(work, lengths(objects), strict=True)]
        order = sorted(range(len(objects)), key=work.__getitem__)
        return [order[start : start + self._size] for start in range(0, len(order), self._size)]
