"""Missing values: None, NaN, NaT, NA, and blank strings."""

from __future__ import annotations

import enum
import numbers
from typing import Any, Final

_MOST_NAMED: Final = 5
_NOT_AVAILABLE: Final = ("NAType", "NaTType")  # of pandas, without importing it


def is_missing(value: Any) -> bool:
    """Return whether a value is missing.

    Missing values are ``None``, NaN (of Python, NumPy, Decimal or a tensor), pandas' ``NA`` and
    ``NaT``, NumPy's ``NaT``, and empty or blank strings and bytes.

    Example:
        >>> is_missing(None), is_missing(float("nan")), is_missing(" "), is_missing(0)
        (True, True, True, False)
    """
    if value is None:
        return True
    if isinstance(value, (str, bytes)):
        return not value or value.isspace()
    if isinstance(value, enum.Enum):
        return False
    if isinstance(value, numbers.Number) or getattr(value, "shape", None) == ():
        return bool(value != value)
    return type(value).__name__ in _NOT_AVAILABLE


def listed(faults: list[str], count: int) -> str:
    """Join the first of several faults for an error message.

    Args:
        faults: One clause for each fault, at least for the first few.
        count: Number of all faults.

    Example:
        >>> listed(["line 2 has no text", "line 5 has no text"], 2)
        'line 2 has no text; line 5 has no text'
    """
    named = faults[:_MOST_NAMED]
    others = count - len(named)
    return "; ".join(named) + (f"; and {others:,} more" if others else "")
