"""Conditions on payloads, which searches are limited to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any, Final, TypeAlias

Value: TypeAlias = str | int | float | bool | None
"""A value that a field is compared with."""


@dataclass(frozen=True, slots=True)
class Equals:
    """A field has one of some values; of a list, any item has.

    A field that is missing has the value ``None``. ``True`` and 1 are different values.

    Attributes:
        field: Name of the field of the payload.
        values: The values, at least one.
    """

    field: str
    values: tuple[Value, ...]

    def matches(self, payload: Mapping[str, Any]) -> bool:
        """Return whether a payload fulfils the condition."""
        found = payload.get(self.field)
        items = found if isinstance(found, list) else [found]
        return any(_same(item, value) for item in items for value in self.values)


@dataclass(frozen=True, slots=True)
class InRange:
    """A number, or a text in alphabetical order, lies between bounds.

    Values of another type than the bounds, and fields that are missing, do not match.

    Attributes:
        field: Name of the field of the payload.
        at_least: Lower bound, included.
        above: Lower bound, excluded.
        at_most: Upper bound, included.
        below: Upper bound, excluded.
    """

    field: str
    at_least: str | float | None = None
    above: str | float | None = None
    at_most: str | float | None = None
    below: str | float | None = None

    def bounds(self) -> list[tuple[str, str | float]]:
        """Return the bounds that are given, by their operator: ``>=``, ``>``, ``<=`` or ``<``."""
        given = {">=": self.at_least, ">": self.above, "<=": self.at_most, "<": self.below}
        return [(operator, bound) for operator, bound in given.items() if bound is not None]

    def matches(self, payload: Mapping[str, Any]) -> bool:
        """Return whether a payload fulfils the condition."""
        found = payload.get(self.field)
        return all(
            _comparable(found, bound) and _COMPARE[operator](found, bound)
            for operator, bound in self.bounds()
        )


@dataclass(frozen=True, slots=True)
class Not:
    """A condition does not hold."""

    condition: Condition

    def matches(self, payload: Mapping[str, Any]) -> bool:
        """Return whether a payload fulfils the condition."""
        return not self.condition.matches(payload)


@dataclass(frozen=True, slots=True)
class And:
    """All of some conditions hold."""

    conditions: tuple[Condition, ...]

    def matches(self, payload: Mapping[str, Any]) -> bool:
        """Return whether a payload fulfils the condition."""
        return all(condition.matches(payload) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of some conditions holds."""

    conditions: tuple[Condition, ...]

    def matches(self, payload: Mapping[str, Any]) -> bool:
        """Return whether a payload fulfils the condition."""
        return any(condition.matches(payload) for condition in self.conditions)


Condition: TypeAlias = Equals | InRange | Not | And | Or
"""A condition on a payload."""

_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {">=": ge, ">": gt, "<=": le, "<": lt}
_OPERATORS: Final = ("!=", ">=", "<=", "=", ">", "<")


def parse_condition(text: str) -> Condition:
    """Return the condition that a text states.

    The text is a field, an operator and a value: ``=``, ``!=``, ``>=``, ``>``, ``<=``, ``<``. With
    ``=`` and ``!=``, several values are separated by commas. ``true``, ``false``, ``null`` and
    numbers are read as such; a value in double quotes is a text.

    Raises:
        ValueError: The text has another form.

    Example:
        >>> parse_condition("source=aws,azure")
        Equals(field='source', values=('aws', 'azure'))
        >>> parse_condition('year >= 2020')
        InRange(field='year', at_least=2020, above=None, at_most=None, below=None)
        >>> parse_condition('code!="007"')
        Not(condition=Equals(field='code', values=('007',)))
    """
    places = [(text.find(operator), -len(operator), operator) for operator in _OPERATORS]
    found = sorted(place for place in places if place[0] > 0)
    operator = found[0][2] if found else ""
    field, _, value = text.partition(operator) if operator else (text, "", "")
    field, value = field.strip(), value.strip()
    if not (operator and field and value):
        raise ValueError(
            f"Expected a condition such as 'source=aws' or 'year>=2020', got {text!r:.80}."
        )
    if operator in ("=", "!="):
        equals = Equals(field, tuple(_value(part.strip()) for part in _split(value)))
        return equals if operator == "=" else Not(equals)
    bound = _value(value)
    if isinstance(bound, bool) or bound is None:
        raise ValueError(f"Expected a number or a text after {operator} in {text!r:.80}.")
    names = {">=": "at_least", ">": "above", "<=": "at_most", "<": "below"}
    return InRange(field, **{names[operator]: bound})


def all_of(conditions: Sequence[Condition]) -> Condition | None:
    """Return the condition that all of some hold; ``None`` for none."""
    if not conditions:
        return None
    return conditions[0] if len(conditions) == 1 else And(tuple(conditions))


def _split(text: str) -> list[str]:
    """Split a text at the commas outside of double quotes."""
    parts, quoted, start = [], False, 0
    for place, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def _value(text: str) -> Value:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    words: dict[str, Value] = {"true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    for number in (int, float):
        try:
            value = number(text)
        except ValueError:
            continue
        if math.isfinite(value):
            return value
    return text


def _same(found: Any, value: Value) -> bool:
    return found == value and isinstance(found, bool) == isinstance(value, bool)


def _comparable(found: Any, bound: str | float) -> bool:
    if isinstance(bound, str) or isinstance(found, bool):
        return isinstance(bound, str) and isinstance(found, str)
    return isinstance(found, (int, float))
