"""Lazy and repeatable iteration over sequences, iterables and datasets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def items_of(source: Any) -> Iterable[Any]:
    """Return an iterable over a sequence, an iterable or a map-style dataset.

    A map-style dataset, which has ``__getitem__`` but no ``__iter__``, ends where its ``__len__``
    says, and not with an ``IndexError``, which it need not raise.

    Args:
        source: Has ``__iter__``, or else ``__len__`` and ``__getitem__``.

    Raises:
        TypeError: The argument has none of these methods.

    Example:
        >>> class Squares:
        ...     def __len__(self): return 3
        ...     def __getitem__(self, index): return index**2
        >>> list(items_of(Squares()))
        [0, 1, 4]
    """
    if hasattr(source, "__iter__"):
        return source  # type: ignore[no-any-return]
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        return (source[index] for index in range(len(source)))
    raise TypeError(
        f"A {type(source).__name__} can be neither iterated nor indexed. Define __iter__, or "
        "__len__ and __getitem__."
    )


class LazyItems(Generic[T]):
    """Items that are read on iteration, and again each time.

    Args:
        read: Returns an iterator over all items.

    Example:
        >>> lines = LazyItems(lambda: iter(["a", "b"]))
        >>> list(lines), list(lines)
        (['a', 'b'], ['a', 'b'])
    """

    def __init__(self, read: Callable[[], Iterator[T]]):
        self._read = read

    def __iter__(self) -> Iterator[T]:
        return self._read()


def rereadable(source: Any) -> Iterable[Any]:
    """Return the items of a source as something that can be iterated over more than once.

    An iterator, which can be read once only, is read into a list as soon as its first item is
    needed; anything else is read again each time.

    Raises:
        TypeError: The source can be neither iterated nor indexed.

    Example:
        >>> items = rereadable(iter("ab"))
        >>> list(items), list(items)
        (['a', 'b'], ['a', 'b'])
    """
    if not isinstance(source, Iterator):
        items_of(source)
        return LazyItems(lambda: iter(items_of(source)))
    kept: list[Any] = []

    def read() -> Iterator[Any]:
        kept.extend(source)
        return iter(kept)

    return LazyItems(read)
