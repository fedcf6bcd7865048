"""Folders for the tables of a cache, each locked by one process at a time."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from quaterion_core.storage import NotWritableError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Create a folder and lock it against other processes.

    The lock is on the folder itself, so no lock file is left behind. Where the system cannot lock
    folders, as on Windows or NFS, a file in the folder is locked.

    Raises:
        NotWritableError: The folder does not exist and cannot be created.
    """
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotWritableError(
                f"The cache cannot be kept in {folder}: {error.strerror}. Choose another save_dir, "
                "or one that another run has filled for this encoder and these data."
            ) from error
        with _lock(folder) as is_current:
            if is_current:
                yield
                return


@contextmanager
def _lock(folder: Path) -> Iterator[bool]:
    """Wait for a lock; yield whether the folder still exists."""
    descriptor = None
    if fcntl is not None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            os.close(descriptor)
            descriptor = None
    if descriptor is None:
        with FileLock(folder / "lock"):
            yield folder.exists()
        return
    try:
        own = os.fstat(descriptor)
        try:
            yield os.path.samestat(own, folder.stat())
        except FileNotFoundError:
            yield False
    finally:
        os.close(descriptor)


def remove_folder(folder: Path) -> None:
    """Remove a folder once no process holds its lock."""
    if folder.exists():
        with locked_folder(folder):
            shutil.rmtree(folder, ignore_errors=True)


def own_temporary_folder() -> Path:
    """Create a folder with an unpredictable name that only this user can read."""
    return Path(tempfile.mkdtemp(prefix="quaterion-cache-"))


def shared_temporary_folder() -> Path:
    """Return the folder for tables that several processes of this user share.

    Its name is predictable, so it is used only if this user owns it and nobody else can read or
    write it.

    Raises:
        NotWritableError: The path is something else.
    """
    if not hasattr(os, "getuid"):  # on Windows, the folder for temporary files is the user's own
        return Path(tempfile.gettempdir(), "quaterion-cache")
    folder = Path(tempfile.gettempdir(), f"quaterion-cache-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise NotWritableError(f"{_refused(folder)}: {error.strerror}.") from error
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotWritableError(f"{_refused(folder)}: expected a folder, got a link or a file.")
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise NotWritableError(
            f"{_refused(folder)}: expected a folder of user {os.getuid()} with mode 700, got one "
            f"of user {found.st_uid} with mode {stat.S_IMODE(found.st_mode):o}."
        )
    return folder


def _refused(folder: Path) -> str:
    return (
        f"The cache is not kept in {folder}, where other users could change it. Remove it, choose "
        "a save_dir for the cache, or set TMPDIR to a folder of your own"
    )
