"""Files of an exported model, which are untrusted: regular ones only, below a size limit."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, Final

SETTINGS_FILE: Final = "export.json"
GOLDEN_FILE: Final = "golden.json"
ONNX_FILE: Final = "model.onnx"
PROGRAM_FILE: Final = "model.pt2"
TOKENIZER_FILE: Final = "tokenizer.json"

JSON_LIMIT: Final = 64 << 20
TOKENIZER_LIMIT: Final = 100 << 20
MODEL_LIMIT: Final = (2 << 30) - 1
"""Largest size of a graph in one file, which is that of a protocol buffer."""

_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_NOTES: Final = (".md", ".txt")


class ExportedModelError(ValueError):
    """A folder is not an exported model, or was changed."""


def list_files(folder: Path) -> list[str]:
    """Return the names of the files in a folder, notes left out.

    Raises:
        ExportedModelError: There is no such folder, or it contains something else than files.
    """
    try:
        with os.scandir(folder) as entries:
            found = {entry.name: entry.is_file(follow_symlinks=False) for entry in entries}
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ExportedModelError(f"{folder} cannot be opened as a folder: {reason}.") from error
    for name, is_file in found.items():
        if not is_file:
            raise ExportedModelError(
                f"{folder / name} is no regular file. An exported model holds files only."
            )
    return sorted(name for name in found if not name.endswith(_NOTES))


def read_file(path: Path, limit: int) -> bytes:
    """Read a regular file without following links.

    Raises:
        ExportedModelError: The file is missing, no regular file, or larger than ``limit`` bytes.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ExportedModelError(f"{path} cannot be read: {reason}.") from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ExportedModelError(f"{path} cannot be read: it is no regular file.")
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise ExportedModelError(
            f"{path} has more than {limit:,} bytes, the most that is read of such a file."
        )
    return data


def read_json(path: Path) -> Any:
    """Read JSON without NaN, infinity and duplicate keys.

    Raises:
        ExportedModelError: The file cannot be read, or holds something else.
    """
    data = read_file(path, JSON_LIMIT)
    try:
        return json.loads(data, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ExportedModelError(f"{path} cannot be read as JSON: {error}.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")
