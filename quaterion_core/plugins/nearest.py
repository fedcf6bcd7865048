"""Suggestions for names that are nearly right, and the one phrase that makes them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable
from typing import Final

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names nearest to a name, nearest first; empty if none is near.

    Names are compared as words: ``LinearProjection`` and ``linear_projection`` are as near to
    ``linear-projection`` as can be.

    Example:
        >>> nearest("tripplet", ["triplet", "circle"])
        ['triplet']
        >>> nearest("LinearProjection", ["linear-projection", "gated"])
        ['linear-projection']
    """
    # Needed only for an error message, and slow to import.
    from difflib import get_close_matches

    names = sorted({str(candidate) for candidate in known})
    by_words: dict[str, list[str]] = {}
    for candidate in names:
        by_words.setdefault(_words(candidate), []).append(candidate)
    words = _words(str(name))
    matches = [*by_words.get(words, []), *get_close_matches(str(name), names, n=3)]
    for match in get_close_matches(words, by_words, n=3):
        matches += by_words[match]
    if len(words) >= 3:  # "cos" for "cosine", "TripletLoss" for "triplet"
        matches += [
            candidate
            for other, group in by_words.items()
            if f"{other} ".startswith(words) or f"{words} ".startswith(f"{other} ")
            for candidate in group
        ]
    return list(dict.fromkeys(match for match in matches if match != name))[:3]


def suggestion(names: Iterable[str]) -> str:
    """Return a question that suggests names; empty if there are none.

    Example:
        >>> suggestion(["triplet"])
        "did you mean 'triplet'?"
    """
    listed = " or ".join(map(repr, names))
    return f"did you mean {listed}?" if listed else ""


def unknown_name(
    statement: str,
    name: object,
    known: Iterable[object],
    *,
    known_as: str,
    show: Callable[[str], str] = str,
) -> str:
    """Return the message for a name that is not among the known ones.

    Args:
        statement: What does not exist, up to the name: ``"There is no optimizer"``.
        name: The name that was given.
        known: The names that would be right.
        known_as: How to introduce them: ``"Choose one of"``.
        show: How to write each of them.

    Example:
        >>> unknown_name("There is no optimizer", "addam", ["adam", "sgd"], known_as="There are")
        "There is no optimizer 'addam': did you mean 'adam'? There are: adam, sgd."
    """
    names = [str(candidate) for candidate in known]
    near = suggestion(nearest(str(name), names)[:1])
    listed = textwrap.shorten(", ".join(map(show, names)), width=400, placeholder=" ...") or "none"
    return f"{statement} {name!r}{f': {near}' if near else '.'} {known_as}: {listed}."


def _words(name: str) -> str:
    """Return the words of a name in lower case, separated by spaces."""
    return " ".join(word.lower() for word in _WORD.findall(name)) or name.lower()
