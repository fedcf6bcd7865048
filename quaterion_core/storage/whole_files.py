"""Files that are written whole or not at all."""

from __future__ import annotations

import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import psutil

_SUFFIX: Final = ".part"


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Write a file within a ``with`` block, replacing one that exists once all is written.

    A reader sees the former file or the new one, never a part of it, and so does who comes after a
    process that was killed: a temporary file beside the target is written, synced and renamed.
    Temporary files of processes that were killed are removed.

    Args:
        path: The file. If it is a link, what it refers to is replaced.

    Yields:
        The stream to write to.

    Raises:
        OSError: It cannot be written; the former file is left as it was.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "figures.json")
        >>> with whole_file(path) as stream:
        ...     _ = stream.write(b"[1, 2]")
        ...     path.exists()
        False
        >>> path.read_bytes()
        b'[1, 2]'
    """
    target = Path(path).resolve()
    _remove_leftovers(target)
    name = f".{target.name}.{secrets.token_hex(4)}.{os.getpid()}{_SUFFIX}"
    part = target.with_name(name)
    try:
        with part.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _remove_leftovers(target: Path) -> None:
    for part in target.parent.glob(f".{glob.escape(target.name)}.*{_SUFFIX}"):
        owner = part.name.split(".")[-2]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Sync a renaming to disk, where the system can open folders."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
