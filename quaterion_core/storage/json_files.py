"""JSON files: written strictly, read with errors that name the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from quaterion_core.storage.errors import InvalidFolderError, NotSavableError


def write_json(path: Path, value: dict[str, Any], *, owner: str) -> None:
    """Write a dictionary as JSON.

    Args:
        path: The file.
        value: Made of dictionaries with string keys, lists, strings, finite numbers, booleans
            and ``None``.
        owner: Whose configuration this is, for the error.

    Raises:
        NotSavableError: A value is something else; the message names its key.
    """
    _check(value, owner, "")
    path.write_text(json_text(value), encoding="utf-8")


def json_text(value: dict[str, Any]) -> str:
    """Return JSON as it is written to files: indented, with a line break at the end."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds a dictionary.

    Raises:
        InvalidFolderError: The file is missing, truncated, or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidFolderError(
            f"{path.parent} has no {path.name}: it is not a saved folder, or is incomplete."
        ) from None
    except (ValueError, OSError) as error:
        raise InvalidFolderError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(value, dict):
        raise InvalidFolderError(f"{path} should hold a JSON object, but holds {value!r:.80}.")
    return value


def _check(value: Any, owner: str, key: str) -> None:
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        for name, item in value.items():
            _check(item, owner, f"{key}.{name}" if key else name)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check(item, owner, f"{key}[{index}]")
    elif isinstance(value, float) and (value != value or abs(value) == float("inf")):
        raise NotSavableError(f"The configuration of {owner} has {value} at '{key}'.")
    elif not isinstance(value, (str, int, float, bool, type(None))):
        raise NotSavableError(
            f"The configuration of {owner} has a {type(value).__name__} at '{key}', but a "
            "configuration is made of JSON values: dictionaries with string keys, lists, "
            "strings, numbers, booleans, null. Describe the object by such values in "
            "get_config_dict(), or override save(path) and load(path)."
        )
