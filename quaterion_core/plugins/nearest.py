"""Suggestions for names that are nearly right."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names nearest to one, the nearest first; none if none is near.

    Example:
        >>> nearest("tripplet", ["triplet", "circle"])
        ['triplet']
    """
    # Needed only when something is wrong, and not quick to import.
    from difflib import get_close_matches

    return get_close_matches(name, sorted(set(known)), n=3)


def suggestion(names: Iterable[str]) -> str:
    """Return a question that suggests names; empty if there are none.

    Example:
        >>> suggestion(["triplet"])
        "did you mean 'triplet'?"
    """
    listed = " or ".join(map(repr, names))
    return f"did you mean {listed}?" if listed else ""
