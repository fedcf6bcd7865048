"""Regular expressions from untrusted files: refused where matching could take exponential time."""

from __future__ import annotations

from typing import Final

from quaterion_core.storage import InvalidFolderError

_LONGEST: Final = 2000
_MOST_REPEATS: Final = 1000


def check_regular_expression(pattern: str, source: str) -> None:
    r"""Refuse a pattern that repeats a group without a limit which itself repeats or branches.

    Such patterns, like ``(a+)+`` or ``(a|a)*``, can take a time that is exponential in the length
    of a text. So can back references, which are refused too.

    Args:
        pattern: The pattern, as the library ``tokenizers`` takes it.
        source: The file, for the error.

    Raises:
        InvalidFolderError: The pattern is such a one, or longer than 2,000 characters.

    Example:
        >>> check_regular_expression(r"\s+(?!\S)| ?\p{L}+", "tokenizer.json")
        >>> check_regular_expression(r"(a+)+b", "tokenizer.json")
        Traceback (most recent call last):
        quaterion_core.storage.errors.InvalidFolderError: tokenizer.json holds the regular
        expression '(a+)+b', which can take exponential time.
    """
    if len(pattern) > _LONGEST:
        raise InvalidFolderError(
            f"{source} holds a regular expression of {len(pattern):,} characters, more than the "
            f"{_LONGEST:,} that are allowed."
        )
    if _is_dangerous(pattern):
        raise InvalidFolderError(
            f"{source} holds the regular expression {pattern!r:.200}, which can take exponential "
            "time."
        )


def _is_dangerous(pattern: str) -> bool:
    # For each open group: whether something in it repeats without a limit, or branches.
    groups: list[bool] = [False]
    place, closed = 0, False
    while place < len(pattern):
        character = pattern[place]
        just_closed, closed = closed, False
        if character == "\\":
            if pattern[place + 1 : place + 2] in "123456789kg":
                return True
            place += 2
            continue
        if character == "[":
            place = _after_class(pattern, place)
            continue
        if character == "(":
            groups.append(False)
        elif character == ")":
            inner = groups.pop() if len(groups) > 1 else False
            unlimited, _ = _repeats(pattern, place + 1)
            if inner and unlimited:
                return True
            groups[-1] = groups[-1] or inner
            closed = True
        elif character == "|":
            if len(groups) > 1:
                groups[-1] = True
        else:
            unlimited, length = _repeats(pattern, place)
            if unlimited:
                groups[-1] = True
            if length:
                place += length
                closed = just_closed
                continue
        place += 1
    return False


def _after_class(pattern: str, place: int) -> int:
    """Return the place after a class of characters that begins at a place."""
    depth = 0
    while place < len(pattern):
        character = pattern[place]
        if character == "\\":
            place += 1
        elif character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
            if depth == 0:
                return place + 1
        place += 1
    return place


def _repeats(pattern: str, place: int) -> tuple[bool, int]:
    """Read a quantifier: whether it is without a limit, and how long it is."""
    character = pattern[place : place + 1]
    if character in ("*", "+"):
        return True, 1
    if character == "?":
        return False, 1
    if character != "{" or "}" not in pattern[place:]:
        return False, 0
    end = pattern.index("}", place)
    low, comma, high = pattern[place + 1 : end].partition(",")
    if not (low + high).isdigit():
        return False, 0
    limits = [int(limit) for limit in (low, high) if limit]
    return (bool(comma) and not high) or max(limits) > _MOST_REPEATS, end + 1 - place
