"""Locks on folders, which leave no lock files and end with the process that holds them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no locks on folders
    fcntl = None  # type: ignore[assignment]


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Wait for and hold the lock of a folder; without effect where there are no such locks."""
    lock = _lock(folder, wait=True)
    try:
        yield
    finally:
        unlock(lock)


def try_lock_folder(folder: Path) -> int | None:
    """Take the lock of a folder if nobody has it.

    Returns:
        The argument of :func:`unlock`; ``None`` if the folder is locked, or there are no locks.
    """
    return _lock(folder, wait=False)


def unlock(lock: int | None) -> None:
    """Release a lock."""
    if lock is not None:
        os.close(lock)


def _lock(folder: Path, *, wait: bool) -> int | None:
    if fcntl is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
