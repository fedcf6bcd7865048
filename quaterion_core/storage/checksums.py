"""Checksums of the files of a folder, and the check that nothing has changed since."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from quaterion_core.storage.errors import InvalidFolderError


def folder_checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, by its path with forward slashes.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "head").mkdir()
        >>> _ = (folder / "head" / "a.txt").write_bytes(b"a")
        >>> {name: digest[:8] for name, digest in folder_checksums(folder).items()}
        {'head/a.txt': 'ca978112'}
    """
    return {file.relative_to(folder).as_posix(): _sha256(file) for file in sorted(_files(folder))}


def verify_checksums(folder: Path, expected: Mapping[str, str]) -> None:
    """Check that the files below a folder are those that were saved.

    Files that lie directly in the folder and are not listed, such as a README, are allowed.

    Args:
        folder: The folder.
        expected: What :func:`folder_checksums` returned for it, read from an untrusted file.

    Raises:
        InvalidFolderError: A file is missing, was changed or was added, or a path or a link
            leads out of the folder.
    """
    root = folder.resolve()
    for name, digest in expected.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            raise InvalidFolderError(f"{folder} lists the path {name!r}, which leads out of it.")
        file = folder / path
        if not file.is_file():
            raise InvalidFolderError(f"{folder} is incomplete: the file {name} is missing.")
        if not file.resolve().is_relative_to(root):
            raise InvalidFolderError(f"{file} is a link that leads out of {folder}.")
        if _sha256(file) != digest:
            raise InvalidFolderError(
                f"{file} is not what was saved: its checksum differs. It was cut off or changed. "
                "Copy the folder again, or save the model again."
            )
    for file in _files(folder):
        name = file.relative_to(folder).as_posix()
        if "/" in name and name not in expected:
            raise InvalidFolderError(f"{file} was added after saving. Remove it to load {folder}.")


def _files(folder: Path) -> list[Path]:
    """List the files below a folder; a link to a folder counts as a file and is not followed."""
    found: list[Path] = []
    for directory, subfolders, files in os.walk(folder):
        links = [name for name in subfolders if Path(directory, name).is_symlink()]
        found.extend(Path(directory, name) for name in files + links)
    return found


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
