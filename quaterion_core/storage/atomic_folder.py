"""Folders that appear on disk whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from quaterion_core.storage.errors import OutputExistsError


def check_output_folder(target: Path, *, may_replace: Callable[[Path], bool] | None = None) -> None:
    """Refuse a target folder that already holds something.

    Call this before the work whose result goes there.

    Args:
        target: Where the output shall go. It may be missing or an empty folder.
        may_replace: Says whether a folder that holds something is of the kind that may be
            replaced. Without it, nothing is.

    Raises:
        OutputExistsError: Something is there that may not be replaced.
    """
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
            f"{target} already exists and is not empty. Choose another folder, remove this one, "
            "or ask to overwrite it."
        )
    if not may_replace(target):
        raise OutputExistsError(
            f"{target} holds something else than what would be written, and is not replaced even "
            "if asked to overwrite. Choose another folder."
        )


@contextmanager
def new_folder(
    target: Path, *, may_replace: Callable[[Path], bool] | None = None
) -> Iterator[Path]:
    """Fill a temporary folder that becomes the target when the block succeeds.

    The temporary folder lies beside the target, so that the final step is a rename. All files
    are synced before it. When the block raises, nothing is left behind and what was at the
    target stays.

    Args:
        target: Where the folder shall appear.
        may_replace: See :func:`check_output_folder`.

    Yields:
        The temporary folder, empty.

    Raises:
        OutputExistsError: Something is at the target that may not be replaced.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "result"
        >>> with new_folder(target) as folder:
        ...     _ = (folder / "a.txt").write_text("done")
        >>> (target / "a.txt").read_text()
        'done'
    """
    target = Path(target)
    check_output_folder(target, may_replace=may_replace)
    parent = target.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    suffix = secrets.token_hex(6)
    temporary = parent / f".{target.name}.new-{suffix}"
    temporary.mkdir()
    try:
        yield temporary
        _sync_tree(temporary)
        check_output_folder(target, may_replace=may_replace)
        if target.exists():
            _exchange(temporary, target, aside=parent / f".{target.name}.old-{suffix}")
        else:
            temporary.rename(target)
        _sync(parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(new: Path, target: Path, aside: Path) -> None:
    """Put ``new`` in the place of ``target``; on failure the old folder goes back."""
    target.rename(aside)
    try:
        new.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    shutil.rmtree(aside)


def _sync_tree(folder: Path) -> None:
    for directory, _, files in os.walk(folder):
        for name in files:
            _sync(Path(directory, name))
        _sync(Path(directory))


def _sync(path: Path) -> None:
    """Push a file or a folder's entries to the disk, where the system can."""
    if os.name == "nt" and path.is_dir():  # Windows cannot open a folder
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
