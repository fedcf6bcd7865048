"""Whether components are built as the user says, or as a folder says that may come from anyone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_from_folder: Final = ContextVar("_from_folder", default=False)


@contextmanager
def from_folder() -> Iterator[None]:
    """Build components within a ``with`` block as an untrusted folder says.

    Example:
        >>> with from_folder():
        ...     is_from_folder()
        True
        >>> is_from_folder()
        False
    """
    token = _from_folder.set(True)
    try:
        yield
    finally:
        _from_folder.reset(token)


def is_from_folder() -> bool:
    """Return whether a component is being built as a folder says."""
    return _from_folder.get()
