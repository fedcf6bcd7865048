"""Strict writing and reading of JSON files, with errors that name the file."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any, Final

from quaterion_core.storage.errors import InvalidFolderError, NotSavableError
from quaterion_core.storage.regular_files import open_regular_file, read_all

JSON_LIMIT: Final = 1 << 20
"""The largest size of a configuration, in bytes."""

_DEEPEST: Final = 64
_MOST_CONTAINERS: Final = 1_500_000
_MOST_VALUES: Final = 6_000_000
_LONGEST_NUMBER: Final = 40
_CONTAINERS: Final = {dict, list}


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


def read_json(path: Path, *, limit: int = JSON_LIMIT) -> dict[str, Any]:
    """Read a JSON file that holds a dictionary.

    Args:
        path: The file.
        limit: Its largest size in bytes.

    Raises:
        InvalidFolderError: The file is missing, too large, truncated, no regular file, or holds
            something else.
    """
    try:
        descriptor = open_regular_file(path)
    except FileNotFoundError:
        raise InvalidFolderError(
            f"{path.parent} has no {path.name}: it is not a saved folder, or is incomplete."
        ) from None
    try:
        data = read_all(descriptor, str(path), limit)
    finally:
        os.close(descriptor)
    return parse_json_object(data, str(path))


def parse_json_object(data: bytes, source: str) -> dict[str, Any]:
    """Parse JSON that holds a dictionary; see :func:`parse_json`."""
    value = parse_json(data, source)
    if not isinstance(value, dict):
        raise InvalidFolderError(f"Expected {source} to contain a JSON object, got {value!r:.80}.")
    return value


def parse_json(data: bytes, source: str) -> Any:
    """Parse JSON from an untrusted file, strictly and in bounded memory.

    Refused are duplicate keys, NaN, infinity, fractions of more than 40 characters, integers of
    more than 4,300, lone surrogates, more than 64 levels of nesting, and more than some million
    values.

    Args:
        data: The content of the file.
        source: What it is, for the error.

    Raises:
        InvalidFolderError: It is not such JSON.

    Example:
        >>> parse_json(b'{"size": 3, "size": 4}', "config.json")
        Traceback (most recent call last):
        quaterion_core.storage.errors.InvalidFolderError: config.json cannot be read as JSON:
        the key 'size' occurs twice in one object.
    """
    if data.count(b"[") + data.count(b"{") > _MOST_CONTAINERS or data.count(b",") > _MOST_VALUES:
        raise InvalidFolderError(f"{source} holds too many values to be read.")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        _check_depth(value, _DEEPEST)
        if b"\\ud" in data.lower():
            json.dumps(value, ensure_ascii=False).encode()  # fails for a lone surrogate
    except RecursionError:
        raise InvalidFolderError(
            f"{source} cannot be read as JSON: it is nested too deeply."
        ) from None
    except ValueError as error:
        raise InvalidFolderError(f"{source} cannot be read as JSON: {error}.") from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r:.80} occurs twice in one object")
    return values


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}, which JSON does not have")


def _finite(text: str) -> float:
    value = float(text)
    if len(text) > _LONGEST_NUMBER or not math.isfinite(value):
        raise ValueError(f"the number {text:.50} is out of range")
    return value


def _check_depth(value: Any, levels: int) -> None:
    if levels < 0:
        raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
    items = value.values() if isinstance(value, dict) else value
    if not isinstance(value, (dict, list)) or _CONTAINERS.isdisjoint(map(type, items)):
        return  # quick for the vocabulary of a tokenizer
    for item in items:
        _check_depth(item, levels - 1)


def same_json(first: Any, second: Any) -> bool:
    """Whether two values are the same JSON: ``1`` is ``1.0``, but neither is ``true``.

    Example:
        >>> same_json({"sizes": [1, 2]}, {"sizes": (1.0, 2)}), same_json(1, True)
        (True, False)
    """
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        return len(first) == len(second) and all(map(same_json, first, second))
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(
            same_json(value, second[key]) for key, value in first.items()
        )
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    return bool(first == second)


def _check(value: Any, owner: str, key: str) -> None:
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        for name, item in value.items():
            _check(item, owner, f"{key}.{name}" if key else name)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check(item, owner, f"{key}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise NotSavableError(f"The configuration of {owner} has {value} at '{key}'.")
    elif not isinstance(value, (str, int, float, bool, type(None))):
        raise NotSavableError(
            f"The configuration of {owner} has a {type(value).__name__} at '{key}', but a "
            "configuration is made of JSON values: dictionaries with string keys, lists, "
            "strings, numbers, booleans, null. Describe the object by such values in "
            "get_config_dict(), or override save(path) and load(path)."
        )
