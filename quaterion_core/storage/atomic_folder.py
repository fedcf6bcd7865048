"""Atomic writing of folders."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from safetensors import SafetensorError

from quaterion_core.storage.errors import NotWritableError, OutputExistsError
from quaterion_core.storage.folder_locks import folder_lock, try_lock_folder, unlock
from quaterion_core.storage.rename_exchange import exchange_paths

_NEW: Final = "new"
_OLD: Final = "old"
_FULL: Final = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}
_FORBIDDEN: Final = {errno.EACCES, errno.EPERM, errno.EROFS}
_OTHER: Final = {
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EIO,
    errno.ELOOP,
    errno.EINVAL,
}


def check_output_folder(target: Path, *, may_replace: Callable[[Path], bool] | None = None) -> None:
    """Check that a target folder is new or empty.

    Call this before the work whose result is written there.

    Args:
        target: The output folder. It may be missing or empty.
        may_replace: Returns whether a folder that is not empty may be replaced. Without it, no
            such folder is replaced.

    Raises:
        OutputExistsError: The target exists and may not be replaced.
        NotWritableError: The path cannot be accessed.
    """
    with _explained(target):
        if target.is_symlink():
            raise OutputExistsError(f"{target} is a link. Give the path of a new folder.")
        if not target.exists():
            return
        if not target.is_dir():
            raise OutputExistsError(f"{target} is a file. Give the path of a new folder.")
        if not any(target.iterdir()):
            return
    if may_replace is None:
        raise OutputExistsError(
            f"{target} already exists and is not empty. Choose another folder, or remove this one."
        )
    if not may_replace(target):
        raise OutputExistsError(
            f"{target} contains something else than would be written, so it is not replaced. "
            "Choose another folder."
        )


@contextmanager
def new_folder(
    target: Path, *, may_replace: Callable[[Path], bool] | None = None
) -> Iterator[Path]:
    """Fill a temporary folder that becomes the target when the block succeeds.

    The temporary folder is next to the target. When the block succeeds, all files are synced and
    get the default permissions of this user, and the folder is exchanged with the target
    atomically, or renamed where the system cannot exchange. When the block raises an error, nothing
    is left behind and the target is not changed. Leftovers of a killed process are removed, or
    restored, by the next one that writes the same target.

    Args:
        target: The output folder.
        may_replace: See :func:`check_output_folder`.

    Yields:
        The temporary folder, empty.

    Raises:
        OutputExistsError: The target exists and may not be replaced.
        NotWritableError: There is no permission or no space to write.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "result"
        >>> with new_folder(target) as folder:
        ...     _ = (folder / "a.txt").write_text("done")
        >>> (target / "a.txt").read_text()
        'done'
    """
    target = Path(target).absolute()
    restore_folder(target)
    check_output_folder(target, may_replace=may_replace)
    with _explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with folder_lock(target.parent):
            _remove_leftovers(target)
            temporary = _beside(target, _NEW)
            temporary.mkdir()
            lock = try_lock_folder(temporary)
    try:
        with _explained(target):
            yield temporary
            _finish(temporary)
        with folder_lock(target.parent):
            check_output_folder(target, may_replace=may_replace)
            with _explained(target):
                _put(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        unlock(lock)


def restore_folder(target: Path) -> Path:
    """Restore a folder that a killed process had renamed in order to replace it.

    Args:
        target: The original path of the folder.

    Returns:
        Its current path: the target, or one next to it if it may not be renamed.
    """
    target = Path(target)
    try:
        if target.exists() or target.is_symlink():
            return target
        left = _left_of(target, _OLD)
        if not left:
            return target
        with folder_lock(target.parent):
            newest = max(left, key=lambda folder: folder.stat().st_mtime_ns)
            try:
                newest.rename(target)
            except OSError:
                return target if target.exists() else newest
    except (OSError, ValueError):  # explained when the path is read or written
        pass
    return target


def _put(new: Path, target: Path) -> None:
    """Exchange a new folder with the target."""
    if not target.exists():
        new.rename(target)
    elif exchange_paths(new, target):
        pass
    else:
        aside = _beside(target, _OLD)
        target.rename(aside)
        try:
            new.rename(target)
        except BaseException:
            aside.rename(target)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    _sync(target.parent)


def _remove_leftovers(target: Path) -> None:
    """Remove what killed processes left beside a target; the caller holds the parent's lock."""
    for folder in _left_of(target, _NEW):
        lock = try_lock_folder(folder)
        if lock is not None:  # nobody is writing it
            shutil.rmtree(folder, ignore_errors=True)
            unlock(lock)
    if target.exists():
        for folder in _left_of(target, _OLD):
            shutil.rmtree(folder, ignore_errors=True)


def _left_of(target: Path, kind: str) -> list[Path]:
    start = f".{target.name}.{kind}-"
    return [
        path
        for path in target.absolute().parent.iterdir()
        if path.name.startswith(start) and path.is_dir() and not path.is_symlink()
    ]


def _beside(target: Path, kind: str) -> Path:
    return target.parent / f".{target.name}.{kind}-{secrets.token_hex(6)}"


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    """Convert errors of the system for a path that cannot be written into one with advice."""
    try:
        yield
    except SafetensorError as error:  # what it raises for a full disk
        raise NotWritableError(
            f"{target} cannot be written: {error}. What was there before has not changed."
        ) from error
    except OSError as error:
        if isinstance(error, (OutputExistsError, NotWritableError)):
            raise
        if error.errno in _FULL:
            reason = f"There is no space for {target} ({error.strerror})"
            advice = "Free some, or choose a folder on another disk."
        elif error.errno in _FORBIDDEN:
            reason = f"{target} cannot be written ({error.strerror})"
            advice = f"Choose a folder that you may write to, or ask for access to {target.parent}."
        elif error.errno in _OTHER:
            reason = f"{target} cannot be written ({error.strerror})"
            advice = "Choose another path."
        else:
            raise
        raise NotWritableError(
            f"{reason}. What was there before has not changed. {advice}"
        ) from error


def _finish(folder: Path) -> None:
    """Set the default permissions on all files, and sync them to disk."""
    permissions = stat.S_IMODE(folder.stat().st_mode)  # as the umask of this process has it
    for directory, _, files in os.walk(folder):
        for name in files:
            file = Path(directory, name)
            file.chmod(permissions & 0o666)
            _sync(file)
        Path(directory).chmod(permissions)
        _sync(Path(directory))


def _sync(path: Path) -> None:
    """Sync a file or a folder's entries to disk, where the system can."""
    if os.name == "nt" and path.is_dir():  # Windows cannot open a folder
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
