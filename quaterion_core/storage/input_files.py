"""Files that a user names as input."""

from __future__ import annotations

from pathlib import Path


def check_is_file(path: Path, role: str) -> None:
    """Raise an error if a path is not a regular file, without opening it: a named pipe would block.

    Args:
        path: The path.
        role: What the file is for, such as ``"The file of the split 'train'"``.

    Raises:
        FileNotFoundError: The path does not exist.
        ValueError: The path is not a regular file.
    """
    if path.is_file():
        return
    if not path.exists():
        raise FileNotFoundError(f"{role} is missing: {path.absolute()}")
    kind = "a folder" if path.is_dir() else "a pipe, socket or device"
    way_out = " Give a pattern for the files in it, such as 'folder/*.csv'." * path.is_dir()
    raise ValueError(f"{role} is not a regular file: {path.absolute()} is {kind}.{way_out}")
