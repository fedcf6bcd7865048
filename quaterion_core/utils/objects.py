"""Raw objects to embed: one, or several."""

from __future__ import annotations

import re
from collections.abc import (
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    MappingView,
    Sequence,
    Set,
    ValuesView,
)
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import numpy as np

_INDEX: Final = "object_index"

ErrorT = TypeVar("ErrorT", bound=Exception)


def object_list(inputs: Any) -> list[Any]:
    """Return raw objects as a list.

    A list holds several objects, and so does anything that cannot be a single object: an iterator,
    a range, a view of a dictionary, a pandas, polars, PyArrow or Hugging Face column, another
    sequence, a NumPy array of texts or of Python objects. A text, a mapping, a tensor, an array of
    numbers and anything else is one object.

    Raises:
        TypeError: The input is ambiguous or unordered: a tuple, a set, a table with columns.

    Example:
        >>> object_list("a text"), object_list(word for word in ("a", "b"))
        (['a text'], ['a', 'b'])
        >>> object_list(np.array(["a", "b"]))
        ['a', 'b']
    """
    if isinstance(inputs, list):
        return inputs
    if isinstance(inputs, (str, bytes, bytearray, memoryview)):
        return [inputs]
    if isinstance(inputs, tuple) and not hasattr(inputs, "_fields"):
        raise TypeError(
            f"Expected one object or a list of objects, got a tuple of {len(inputs)}, which may be "
            "either. Pass list(objects) to embed each of its items, or [objects] to embed it as "
            "one object."
        )
    if isinstance(inputs, Set) and not isinstance(inputs, MappingView):
        raise TypeError(
            f"Expected one object or a list of objects, got a {type(inputs).__name__}, which has "
            "no order. Pass sorted(objects)."
        )
    if hasattr(inputs, "columns") or hasattr(inputs, "column_names"):
        raise TypeError(
            f"Expected one object or a list of objects, got a {type(inputs).__name__} with several "
            'columns. Pass one of them, such as table["text"].'
        )
    for method in ("to_list", "to_pylist"):  # pandas and polars, PyArrow
        if callable(getattr(inputs, method, None)):
            return list(getattr(inputs, method)())
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind in "OUST":
        return inputs.tolist() if inputs.ndim else [inputs.item()]
    several = (Iterator, KeysView, ValuesView, ItemsView, Sequence)
    if isinstance(inputs, several) and not isinstance(inputs, tuple):
        return list(inputs)
    return [inputs]


def object_stream(inputs: Any) -> tuple[Iterable[Any], int | None]:
    """Return raw objects to iterate over once, and their number if it is known.

    An iterator is not read. Anything else is as in :func:`object_list`.

    Example:
        >>> object_stream(["a", "b"])
        (['a', 'b'], 2)
    """
    if isinstance(inputs, Iterator):
        return inputs, None
    objects = object_list(inputs)
    return objects, len(objects)


def positive_count(value: Any, name: str) -> int:
    """Return a number of objects that a user gives, as an ``int``.

    Raises:
        TypeError: The value is not an integer.
        ValueError: The value is less than 1.

    Example:
        >>> positive_count(np.int64(8), "batch_size")
        8
        >>> positive_count(True, "batch_size")
        Traceback (most recent call last):
        TypeError: Expected batch_size to be a positive integer, got True.
    """
    message = f"Expected {name} to be a positive integer, got {value!r:.80}."
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(message)
    count = int(value)
    if count < 1:
        raise ValueError(message)
    return count


def worker_count(value: Any) -> int:
    """Return a number of worker processes that a user gives, as an ``int``.

    Raises:
        TypeError: The value is not an integer.
        ValueError: The value is negative.
    """
    message = f"Expected num_workers to be an integer of 0 or more, got {value!r:.80}."
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(message)
    if int(value) < 0:
        raise ValueError(message)
    return int(value)


def about_object(error: ErrorT, index: int) -> ErrorT:
    """Mark an error as being about one object of a list, and return it.

    Args:
        error: Its message names the object as ``object <index>``.
        index: Position of the object.
    """
    setattr(error, _INDEX, index)
    return error


def object_index(error: Exception) -> int | None:
    """Return the position of the object that an error is about, if it was marked."""
    return getattr(error, _INDEX, None)


@contextmanager
def as_part_of(positions: Sequence[int]) -> Iterator[None]:
    """Make errors about one object of a part name its position in the whole.

    Args:
        positions: Position in the whole of each object of the part.

    Example:
        >>> with as_part_of([3, 8]):
        ...     raise about_object(ValueError("Object 1 is empty."), 1)
        Traceback (most recent call last):
        ValueError: Object 8 is empty.
    """
    try:
        yield
    except Exception as error:
        index = object_index(error)
        if index is not None:
            named = re.compile(rf"\b([Oo]bject) {index}\b")
            error.args = (named.sub(rf"\1 {positions[index]}", str(error), count=1),)
            about_object(error, positions[index])
        raise
