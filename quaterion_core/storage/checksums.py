"""Checksums of the files of a folder, and their verification."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from quaterion_core.storage.saved_folder import open_saved_folder


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
        expected: Result of :func:`folder_checksums` for it, read from an untrusted file.

    Raises:
        InvalidFolderError: A file is missing, was changed or was added, or there is a link.
    """
    with open_saved_folder(folder) as opened:
        opened.with_checksums(expected).verify()


def _files(folder: Path) -> list[Path]:
    return [Path(directory, name) for directory, _, files in os.walk(folder) for name in files]


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
