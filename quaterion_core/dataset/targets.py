"""Targets as tensors: hashable values become int64 ids, the same in every process."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import hashlib
import math
import numbers
import re
import uuid
from collections.abc import Hashable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import PurePath
from typing import Any, Final

import torch
from torch import Tensor

from quaterion_core.dataset.missing import is_missing, listed

_INT64: Final = torch.iinfo(torch.int64)
_LARGEST: Final = torch.finfo(torch.float32).max
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")

NO_SUBGROUP: Final = _INT64.min
"""Value in ``subgroups`` for pairs whose subgroup is missing."""


def stable_id(value: Hashable) -> int:
    """Map a hashable value to an int64, the same in every process and every run.

    Integers are unchanged. Other values are hashed with BLAKE2b: strings, bytes, numbers, tuples,
    frozensets, dates and times, UUIDs, paths, frozen dataclasses, classes, and values of other
    types that define equality and have a complete ``repr``. An enumeration member stands for its
    value, and a scalar of NumPy, PyTorch, JAX or TensorFlow (also an array without dimensions) for
    the Python number in it. Values that Python holds equal (``1``, ``1.0``, ``True``,
    ``Decimal(1)``, ``torch.tensor(1)``) get the same id.

    Args:
        value: A group or a subgroup.

    Returns:
        A number between -2^63 + 1 and 2^63 - 1.

    Raises:
        TypeError: The value has no reproducible identity: an array, a list, a dictionary, or a
            plain ``object()``.
        ValueError: The value is not a number (NaN, NaT).

    Example:
        >>> stable_id(16777217), stable_id("billing")
        (16777217, -8494356108850898744)
        >>> stable_id(("aws", 3)) == stable_id(("aws", 3)) != stable_id(("aws", 4))
        True
        >>> stable_id(torch.tensor(3)) == stable_id(3)
        True
    """
    if type(value) is str:
        return _hash(_text(value))
    value = _unwrapped(value)
    whole = _whole_number(value)
    if whole is not None and _INT64.min < whole <= _INT64.max:
        return whole
    return _hash(_canonical(value))


@lru_cache(maxsize=1 << 16)
def _hash(canonical: bytes) -> int:
    digest = hashlib.blake2b(canonical, digest_size=8).digest()
    return max(int.from_bytes(digest, "little", signed=True), _INT64.min + 1)


def _unwrapped(value: Any) -> Any:
    """Return the value of an enumeration member, and the Python value of a scalar of a library."""
    while isinstance(value, enum.Enum):
        value = value.value
    shape = getattr(value, "shape", None)
    if shape is None or isinstance(value, type):
        return value
    if tuple(shape) != ():
        raise TypeError(
            f"Expected a single value as a group or subgroup, got a {type(value).__name__} of "
            f"shape {tuple(shape)}. Use labels.argmax() for one-hot labels, .item() for a single "
            "number, or tuple(values.tolist()) where all numbers together are the identity."
        )
    if type(value).__name__ in ("datetime64", "timedelta64"):
        return _from_numpy_time(value)
    return value.item() if hasattr(value, "item") else value.numpy().item()


def _from_numpy_time(value: Any) -> Any:
    """Return a date, time or duration of NumPy as Python's, if microseconds hold it exactly."""
    if is_missing(value):
        raise _not_an_identity(value)
    coarse = value.item()
    if not isinstance(coarse, int):
        return coarse
    exact = value.astype(f"{value.dtype.name.split('[')[0]}[us]")
    return exact.item() if exact == value else str(value)


def _whole_number(value: Any) -> int | None:
    """Return the integer that a value equals, if there is one."""
    if type(value) is int:
        return value
    if isinstance(value, complex) and value.imag == 0:
        value = value.real
    if not isinstance(value, (numbers.Real, decimal.Decimal)):
        return None
    number: Any = value  # the operations of Real are not typed
    return int(number) if math.isfinite(number) and number == int(number) else None


def _canonical(value: Any) -> bytes:
    """Return bytes that depend on nothing but the value."""
    value = _unwrapped(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes):
        return b"b" + bytes(value)
    if value is None:
        return b"rNoneTypeNone"
    if isinstance(value, (numbers.Number, decimal.Decimal)):
        return _canonical_number(value)
    if isinstance(value, (tuple, frozenset)):
        parts = [_canonical(item) for item in value]
        if isinstance(value, frozenset):
            return b"S" + _joined(sorted(parts))
        return b"t" + _joined(parts)
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta)):
        return _canonical_time(value)
    if isinstance(value, uuid.UUID):
        return f"u{value.hex}".encode()
    if isinstance(value, PurePath):
        return f"p{value}".encode("utf-8", "surrogatepass")
    if isinstance(value, type):
        return f"y{value.__module__}.{value.__qualname__}".encode()
    if dataclasses.is_dataclass(value) and type(value).__hash__ is not None:
        fields = [f.name for f in dataclasses.fields(value) if f.compare]
        parts = [_canonical(getattr(value, name)) for name in fields]
        return f"d{type(value).__qualname__}".encode() + _joined(parts)
    return _canonical_repr(value)


def _not_an_identity(value: Any) -> ValueError:
    return ValueError(
        f"Expected a group or subgroup that equals itself, got {value!r}, which stands for a "
        "missing value. Leave out samples without a group; a subgroup may be None."
    )


def _text(value: str) -> bytes:
    return b"s" + value.encode("utf-8", "surrogatepass")


def _joined(parts: Iterable[bytes]) -> bytes:
    return b"".join(str(len(part)).encode() + b":" + part for part in parts)


def _canonical_number(value: Any) -> bytes:
    if value != value:
        raise _not_an_identity(value)
    whole = _whole_number(value)
    if whole is not None:
        return f"i{whole}".encode()
    if isinstance(value, complex):
        if value.imag:
            return f"c{value!r}".encode()
        value = value.real
    if isinstance(value, float) or not math.isfinite(value):
        return f"f{float(value)!r}".encode()
    exact = Fraction(value)
    if Fraction(float(value)) == exact:  # equal to a float, so the same id as that
        return f"f{float(value)!r}".encode()
    return f"q{exact}".encode()


def _canonical_time(value: Any) -> bytes:
    """Return the bytes of a date, time or duration; pandas' subclasses add nanoseconds."""
    if value != value:  # NaT
        raise _not_an_identity(value)
    nanoseconds = getattr(value, "nanosecond", getattr(value, "nanoseconds", 0))
    if isinstance(value, datetime.timedelta):
        parts = (value.days, value.seconds, value.microseconds, nanoseconds)
        return b"D" + ",".join(map(str, parts)).encode()
    if isinstance(value, datetime.datetime) and value.utcoffset() is not None:
        value = value.astimezone(datetime.timezone.utc)
    if isinstance(value, datetime.datetime):
        whole = datetime.datetime.strftime(value, "%Y-%m-%dT%H:%M:%S.%f%z")
        return f"T{whole},{nanoseconds}".encode()
    return f"{type(value).__name__}{value.isoformat()}".encode()


def _canonical_repr(value: Any) -> bytes:
    if is_missing(value):
        raise _not_an_identity(value)
    kind: Any = type(value)
    text = repr(value)
    if kind.__hash__ is None:
        raise TypeError(
            f"Expected a hashable value as a group or subgroup, got a {kind.__name__}: "
            f"{text:.60}. Use a string, an integer, or a tuple or frozenset of these."
        )
    if kind.__eq__ is object.__eq__ or _ADDRESS.search(text) or "..." in text:
        raise TypeError(
            "Expected a group or subgroup that is the same in every process, got "
            f"{text:.60} of type {kind.__name__}, whose repr() does not tell it from others. Use a "
            "string, an integer or a tuple of these, for example the object's key."
        )
    return f"r{kind.__qualname__}{text}".encode()


def target_tensor(values: Iterable[Hashable]) -> Tensor:
    """Return the stable ids of groups as a tensor of shape (N,), int64.

    Raises:
        ValueError: A group is missing: ``None``, NaN or blank.
        TypeError: A group has no reproducible identity; see :func:`stable_id`.

    Example:
        >>> target_tensor([3, "3", 3.0])
        tensor([                  3, 6510796145760724968,                   3])
    """
    values = list(values)
    missing = [number for number, value in enumerate(values) if is_missing(value)]
    if missing:
        faults = [f"sample {number} has the group {values[number]!r:.60}" for number in missing]
        raise ValueError(
            f"Expected a group for every sample, but {len(missing):,} of {len(values):,} "
            f"samples have none: {listed(faults, len(faults))}. Leave these samples out, or give "
            "each a group of its own."
        )
    return torch.tensor([stable_id(value) for value in values], dtype=torch.int64)


def subgroup_tensor(values: Iterable[Hashable]) -> Tensor:
    """Return the stable ids of subgroups, shape (N,), int64.

    A missing subgroup (``None``, NaN, or a blank string) becomes :data:`NO_SUBGROUP`.
    """
    return torch.tensor(
        [NO_SUBGROUP if is_missing(value) else stable_id(value) for value in values],
        dtype=torch.int64,
    )


def exact_ids(ids: Tensor, name: str) -> Tensor:
    """Return ids as int64, if they are exact in their type.

    Args:
        ids: Integers, or whole numbers in floating point below the limit up to which the type
            represents all integers, such as 2^24 in float32.
        name: Name of the ids in the error.

    Raises:
        TypeError: The ids are not whole numbers, or are not exact.

    Example:
        >>> exact_ids(torch.tensor([1.0, 2.0]), "groups")
        tensor([1, 2])
        >>> exact_ids(torch.tensor([1.5]), "groups")
        Traceback (most recent call last):
        TypeError: Expected groups as int64, got torch.float32 with 1.5. ...
    """
    if not ids.is_floating_point() and not ids.is_complex():
        return ids.to(torch.int64)
    if ids.is_complex():
        inexact = ids
    else:
        inexact = ids[~((ids == ids.round()) & (ids.abs() < 2 / torch.finfo(ids.dtype).eps))]
    if len(inexact):
        raise TypeError(
            f"Expected {name} as int64, got {ids.dtype} with {inexact[0].item()!r:.40}. Floating-"
            "point ids must be whole numbers, small enough to be exact. Use "
            f"quaterion_core.dataset.targets.{_MAKERS[name]}(values)."
        )
    return ids.to(torch.int64)


_MAKERS: Final = {"groups": "target_tensor", "subgroups": "subgroup_tensor"}


def score_tensor(values: Sequence[Any]) -> Tensor:
    """Return the scores of pairs as a tensor of shape (N,), float32.

    Args:
        values: Numbers of Python, NumPy or PyTorch; ``True`` and ``False`` are 1 and 0.

    Raises:
        ValueError: A score is not a finite number that float32 can hold.

    Example:
        >>> score_tensor([1, 0.5, True])
        tensor([1.0000, 0.5000, 1.0000])
    """
    faults = [number for number, value in enumerate(values) if not is_score(value)]
    if faults:
        described = [
            f"sample {number} has the score {values[number]!r:.60} of type "
            f"{type(values[number]).__name__}"
            for number in faults
        ]
        raise ValueError(
            f"Expected finite numbers as scores, but {len(faults):,} of {len(values):,} "
            f"are not: {listed(described, len(faults))}. Convert strings with float(), and "
            "leave out pairs of unknown score."
        )
    return torch.tensor([float(value) for value in values], dtype=torch.float32)


def is_score(value: Any) -> bool:
    """Return whether a value is a real number that is finite in float32.

    Example:
        >>> is_score(0.5), is_score("0.5"), is_score(float("inf")), is_score(1e39)
        (True, False, False, False)
    """
    if type(value) is not float and type(value) is not int:
        if getattr(value, "shape", None) == () and hasattr(value, "item"):
            value = value.item()
        if not isinstance(value, (numbers.Real, decimal.Decimal)):
            return False
    return bool(-_LARGEST <= value <= _LARGEST)  # False for NaN
