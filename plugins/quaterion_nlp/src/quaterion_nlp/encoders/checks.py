"""Checks of single arguments of encoders."""

from __future__ import annotations


def check_positive(name: str, value: object) -> None:
    """Raise a ``ValueError`` unless a value is a positive integer."""
    if type(value) is not int or value < 1:
        raise ValueError(f"Expected {name} to be a positive integer, got {value!r:.60}.")


def check_flag(name: str, value: object) -> None:
    """Raise a ``TypeError`` unless a value is ``True`` or ``False``.

    Example:
        >>> check_flag("trainable", "no")
        Traceback (most recent call last):
        TypeError: Expected trainable to be True or False, got 'no'.
    """
    if not isinstance(value, bool):
        raise TypeError(f"Expected {name} to be True or False, got {value!r:.60}.")
