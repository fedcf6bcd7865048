"""Numbers with their nouns, for messages."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is 1.

    Example:
        >>> counted(1, "object"), counted(8489, "object")
        ('1 object', '8,489 objects')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
