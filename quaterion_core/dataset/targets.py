"""Targets that mean the same in every process: any hashable value becomes an int64."""

from __future__ import annotations

import enum
import hashlib
import math
import numbers
from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import Any, Final

import torch
from torch import Tensor

_INT64: Final = torch.iinfo(torch.int64)

NO_SUBGROUP: Final = _INT64.min
"""Stands in ``subgroups`` for a pair whose subgroup is ``None``: nothing is stated about it."""


def stable_id(value: Hashable) -> int:
    """Map a hashable value to an int64, the same in every process and on every day.

    Integers stay what they are. Strings, bytes, tuples, enumeration members and values with a
    reproducible ``repr`` (dates, UUIDs, frozen dataclasses, ...) are hashed with BLAKE2b. Values
    that Python holds equal (``1``, ``1.0``, ``True``) get the same id.

    Args:
        value: A group or a subgroup.

    Returns:
        A number between -2^63 + 1 and 2^63 - 1.

    Raises:
        TypeError: The value has no reproducible identity, such as a plain ``object()``.

    Example:
        >>> stable_id(16777217), stable_id("billing")
        (16777217, -8494356108850898744)
        >>> stable_id(("aws", 3)) == stable_id(("aws", 3)) != stable_id(("aws", 4))
        True
    """
    whole = _whole_number(value)
    if whole is not None and _INT64.min < whole <= _INT64.max:
        return whole
    return _hash(_canonical(value))


@lru_cache(maxsize=1 << 16)
def _hash(canonical: bytes) -> int:
    digest = hashlib.blake2b(canonical, digest_size=8).digest()
    return max(int.from_bytes(digest, "little", signed=True), _INT64.min + 1)


def _whole_number(value: Any) -> int | None:
    """Return the integer that a value equals, if there is one."""
    if type(value) is int:
        return value
    if not isinstance(value, numbers.Real) or isinstance(value, enum.Enum):
        return None
    number: Any = value  # what a Real can do is not typed
    return int(number) if math.isfinite(number) and number == int(number) else None


def _canonical(value: Any) -> bytes:
    """Write a value as bytes that depend on nothing but the value."""
    if isinstance(value, enum.Enum):
        return f"e{type(value).__qualname__}.{value.name}".encode()
    if isinstance(value, str):
        return b"s" + value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes):
        return b"b" + value
    if isinstance(value, numbers.Real):
        whole = _whole_number(value)
        return f"f{float(value)!r}".encode() if whole is None else f"i{whole}".encode()
    if isinstance(value, (tuple, frozenset)):
        parts = [_canonical(item) for item in value]
        if isinstance(value, frozenset):
            parts.sort()
        return b"t" + b"".join(str(len(part)).encode() + b":" + part for part in parts)
    text = repr(value)
    if " object at 0x" in text:
        raise TypeError(
            f"A group or subgroup has to be a value that is the same in every process, "
            f"but got {text} of type {type(value).__name__}. Use a string, an integer or a tuple "
            "of these, for example the object's key."
        )
    return f"r{type(value).__qualname__}{text}".encode()


def target_tensor(values: Iterable[Hashable]) -> Tensor:
    """Return the stable ids of groups as a tensor of shape (N,), int64.

    Example:
        >>> target_tensor([3, "3", 3.0])
        tensor([                  3, 6510796145760724968,                   3])
    """
    return torch.tensor([stable_id(value) for value in values], dtype=torch.int64)


def subgroup_tensor(values: Iterable[Hashable]) -> Tensor:
    """Return the stable ids of subgroups, shape (N,), int64, ``None`` as :data:`NO_SUBGROUP`."""
    return torch.tensor(
        [NO_SUBGROUP if value is None else stable_id(value) for value in values],
        dtype=torch.int64,
    )
