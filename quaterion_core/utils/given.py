"""How errors describe a value that was given."""

from __future__ import annotations

import os
from pathlib import Path


def described(value: object) -> str:
    """Describe a value that is of the wrong type.

    Example:
        >>> described(int), described(3), described(object())
        ('the class int', '3', 'an object')
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if value is None or isinstance(value, (str, bool, int, float)):
        return f"{value!r:.80}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def path_of(value: object, name: str) -> Path:
    """Return a path that a user gives.

    Raises:
        TypeError: The value is not a path.
        ValueError: The path is empty.

    Example:
        >>> path_of(3, "output_path")
        Traceback (most recent call last):
        TypeError: Expected output_path to be a path, such as 'my_model', got 3.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise expected(name, "a path, such as 'my_model'", value)
    if not os.fspath(value):
        raise ValueError(f"Expected {name} to be a path, such as 'my_model', got an empty string.")
    return Path(os.fspath(value))


def expected(name: str, what: str, value: object, advice: str = "") -> TypeError:
    """Return the error for a value of the wrong type.

    Args:
        name: The argument.
        what: What was expected, such as ``"a CacheConfig"``.
        value: What was given.
        advice: What to write instead.

    Example:
        >>> expected("cache", "a CacheConfig", True, "Pass CacheConfig().")
        TypeError('Expected cache to be a CacheConfig, got True. Pass CacheConfig().')
    """
    if isinstance(value, type) and not advice:
        advice = f"Pass an object of that class: {value.__name__}(...)."
    return TypeError(f"Expected {name} to be {what}, got {described(value)}. {advice}".rstrip())
