r"""Regular expressions from untrusted files: parsed by a small grammar, and bounded in cost.

What the library ``tokenizers`` matches with (Oniguruma) knows comments, back references,
recursion, conditions and control characters, behind which a costly repetition could hide. Only what
tokenizers are made of is allowed: characters, classes, groups, alternatives, lookaround and
quantifiers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from quaterion_core.storage import InvalidFolderError

_LONGEST: Final = 2000
_DEEPEST: Final = 20
_MOST_UNLIMITED: Final = 4
_MOST_WAYS: Final = 20_000
_LARGEST: Final = 20_000
_MOST_REPEATS: Final = 1000

_ESCAPE: Final = re.compile(
    r"\\(?:[sSdDwWhHbBAzZnrtfva]|[pP]\{\^?[A-Za-z0-9_ -]{1,60}\}|x[0-9A-Fa-f]{2}"
    r"|x\{[0-9A-Fa-f]{1,6}\}|u[0-9A-Fa-f]{4}|[^A-Za-z0-9])",
    re.DOTALL,
)
_POSIX_CLASS: Final = re.compile(r"\[:\^?[a-z]{1,10}:\]")
_GROUP: Final = re.compile(r"\((?:\?(?:[ims]{0,3}(?:-[ims]{1,3})?:|=|!|<=|<!|>))?")
_FLAGS: Final = re.compile(r"\(\?[ims]{1,3}\)")
_LOOKAROUND: Final = ("(?=", "(?!", "(?<=", "(?<!")
_INTERVAL: Final = re.compile(r"\{(?:([0-9]+)(,([0-9]*))?|,([0-9]+))\}")
_ANCHORS: Final = ("^", "$", r"\b", r"\B", r"\A", r"\z", r"\Z")


@dataclass(frozen=True)
class Cost:
    """What a regular expression can match, and how long that can take.

    Args:
        shortest: A lower bound on the number of characters of a match.
        size: Number of its parts, once repetitions are written out.
        ways: An upper bound on the number of ways to match a text, without unlimited repetitions.
        unlimited: Number of unlimited repetitions that can follow one another.
    """

    shortest: int
    size: int
    ways: int = 1
    unlimited: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether there is one way to match a text."""
        return self.ways == 1 and self.unlimited == 0


def check_regular_expression(pattern: str, source: str) -> Cost:
    r"""Refuse a pattern that is not made of known parts, or can take exponential time.

    A group that itself repeats or branches must not be repeated: such patterns, like ``(a+)+`` or
    ``(a|a)*``, can take a time that is exponential in the length of a text. Nor may more than four
    unlimited repetitions follow one another.

    Args:
        pattern: The pattern, as the library ``tokenizers`` takes it.
        source: The file, for the error.

    Raises:
        InvalidFolderError: The pattern is such a one, or longer than 2,000 characters.

    Example:
        >>> check_regular_expression(r"\s+(?!\S)| ?\p{L}+", "tokenizer.json").shortest
        1
        >>> check_regular_expression(r"(a+)+b", "tokenizer.json")
        Traceback (most recent call last):
        quaterion_core.storage.errors.InvalidFolderError: tokenizer.json holds the regular
        expression '(a+)+b', which can take exponential time: a repetition of what repeats or
        branches itself.
    """
    if len(pattern) > _LONGEST:
        raise InvalidFolderError(
            f"{source} holds a regular expression of {len(pattern):,} characters, more than the "
            f"{_LONGEST:,} that are allowed."
        )
    try:
        return _Parser(pattern).parse()
    except ValueError as error:
        raise InvalidFolderError(
            f"{source} holds the regular expression {pattern!r:.200}, which {error}."
        ) from None


class _Parser:
    """A recursive descent parser; its errors say what is wrong with the pattern."""

    def __init__(self, pattern: str):
        self._pattern = pattern
        self._place = 0
        self._depth = 0

    def parse(self) -> Cost:
        cost = self._alternatives()
        if self._place < len(self._pattern):
            raise self._unknown()
        return cost

    def _alternatives(self) -> Cost:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError(f"has groups more than {_DEEPEST} levels deep")
        branches = [self._sequence()]
        while self._take("|"):
            branches.append(self._sequence())
        self._depth -= 1
        return _bounded(
            Cost(
                min(branch.shortest for branch in branches),
                sum(branch.size for branch in branches),
                sum(branch.ways for branch in branches),
                max(branch.unlimited for branch in branches),
            )
        )

    def _sequence(self) -> Cost:
        total = Cost(0, 0)
        self._match(_FLAGS)  # elsewhere, they would enclose the alternatives that follow
        while self._place < len(self._pattern) and self._pattern[self._place] not in "|)":
            part = self._repeated(self._atom())
            total = _bounded(
                Cost(
                    total.shortest + part.shortest,
                    total.size + part.size,
                    total.ways * part.ways,
                    total.unlimited + part.unlimited,
                )
            )
        return total

    def _atom(self) -> Cost:
        character = self._pattern[self._place]
        if character == "(":
            return self._group()
        if character == "[":
            self._class()
            return Cost(1, 1)
        if character in "*+?":
            raise ValueError(f"repeats nothing at character {self._place + 1}")
        if character == "\\":
            escape = self._match(_ESCAPE)
            if escape is None:
                raise self._unknown()
            return Cost(0, 1) if escape[0] in _ANCHORS else Cost(1, 1)
        self._place += 1
        return Cost(0, 1) if character in _ANCHORS else Cost(1, 1)

    def _group(self) -> Cost:
        start = self._match(_GROUP)
        if start is None or self._pattern.startswith("?", self._place):
            raise self._unknown()
        inner = self._alternatives()
        if not self._take(")"):
            raise ValueError("has a group that does not end")
        if start[0] in _LOOKAROUND:
            return Cost(0, inner.size, inner.ways, inner.unlimited)
        return inner

    def _class(self) -> None:
        """Read a class of characters, with those inside of it."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError(f"has classes more than {_DEEPEST} levels deep")
        self._place += 1
        self._take("^")
        is_empty = True
        while not self._take("]"):
            if self._place >= len(self._pattern):
                raise ValueError("has a class of characters that does not end")
            if self._match(_POSIX_CLASS):
                pass
            elif self._pattern[self._place] == "[":
                self._class()
            elif self._pattern[self._place] == "\\":
                if not self._match(_ESCAPE):
                    raise self._unknown()
            else:
                self._place += 1
            is_empty = False
        if is_empty:
            raise ValueError("has an empty class of characters")
        self._depth -= 1

    def _repeated(self, part: Cost) -> Cost:
        """Read the quantifier that follows a part, if there is one."""
        limits = self._quantifier()
        if limits is None:
            return part
        low, high = limits
        if low > _MOST_REPEATS or (high is not None and not low <= high <= _MOST_REPEATS):
            raise ValueError(f"repeats {low:.10} to {high:.10} times")
        if high is None and not part.is_plain:
            raise ValueError(
                "can take exponential time: a repetition of what repeats or branches itself"
            )
        if high is None and part.shortest == 0:
            raise ValueError("repeats what matches nothing")
        if high is None:
            return _bounded(Cost(low * part.shortest, part.size * (low + 1), 1, 1))
        ways = high - low + 1 if part.ways == 1 else (part.ways + 1) ** min(high, 64)
        return _bounded(
            Cost(low * part.shortest, part.size * max(high, 1), ways, part.unlimited * high)
        )

    def _quantifier(self) -> tuple[int, int | None] | None:
        interval = self._match(_INTERVAL)
        limits: tuple[int, int | None] | None
        if interval is not None:
            low, comma, high, most = interval.groups()
            if most is not None:
                limits = 0, int(most)
            elif comma is None:
                limits = int(low), int(low)
            else:
                limits = int(low), int(high) if high else None
            self._take("?")
        elif self._take("*"):
            limits = 0, None
        elif self._take("+"):
            limits = 1, None
        elif self._take("?"):
            limits = 0, 1
        else:
            return None
        if interval is None and not self._take("?"):
            self._take("+")
        if self._pattern[self._place : self._place + 1] in ("*", "+", "?") or _INTERVAL.match(
            self._pattern, self._place
        ):
            raise ValueError(
                "can take exponential time: a repetition of what repeats or branches itself"
            )
        return limits

    def _match(self, expected: re.Pattern[str]) -> re.Match[str] | None:
        found = expected.match(self._pattern, self._place)
        if found is not None:
            self._place = found.end()
        return found

    def _take(self, character: str) -> bool:
        if not self._pattern.startswith(character, self._place):
            return False
        self._place += 1
        return True

    def _unknown(self) -> ValueError:
        part = self._pattern[max(0, self._place - 1) : self._place + 4]
        return ValueError(f"has a part that tokenizers are not made of: {part!r}")


def _bounded(cost: Cost) -> Cost:
    if cost.unlimited > _MOST_UNLIMITED or cost.ways > _MOST_WAYS:
        raise ValueError("can take exponential time: too many repetitions and alternatives in turn")
    if cost.size > _LARGEST:
        raise ValueError(f"has more than {_LARGEST:,} parts")
    return cost
