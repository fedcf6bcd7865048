"""Points of Qdrant: what is stored of an object, and conditions on it."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from quaterion_core.distances import Distance
from quaterion_core.serving.stores import And, Condition, Equals, InRange, Not, Or, Payload

TAGS: Final = "tags"
"""Field of a point that holds its values as keywords: their index answers most conditions."""

_NUMBERS: Final = "numbers"
_SPACE: Final = uuid.UUID("7c1c1f0a-3f3e-5c0e-9d43-5d5f0c7d1f6b")
_EXACT: Final = 2**53
"""Integers up to this one are exact as floating-point numbers."""


@dataclass(frozen=True)
class Tagged:
    """A point has one of some tags."""

    tags: tuple[str, ...]


@dataclass(frozen=True)
class NumberIn:
    """A number of a point is within bounds, which are called as Qdrant calls them."""

    key: str
    bounds: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class AllOf:
    """All of some clauses hold."""

    occur: ClassVar[str] = "must"
    clauses: tuple[Clause, ...]


@dataclass(frozen=True)
class AnyOf:
    """One of some clauses holds."""

    occur: ClassVar[str] = "should"
    clauses: tuple[Clause, ...]


@dataclass(frozen=True)
class NoneOf:
    """None of some clauses holds."""

    occur: ClassVar[str] = "must_not"
    clauses: tuple[Clause, ...]


Clause: TypeAlias = "Tagged | NumberIn | AllOf | AnyOf | NoneOf"
"""A condition that Qdrant can answer."""


@dataclass(frozen=True)
class FoundPoint:
    """A point that was found.

    Attributes:
        payload: What was stored.
        score: Score of Qdrant; 0 if it was not searched for.
    """

    payload: Mapping[str, Any]
    score: float = 0.0


class Points(Protocol):
    """Points of one collection, in this process or on a server."""

    def exists(self) -> bool:
        """Return whether there is a collection."""

    def create(self, embedding_size: int, distance: Distance) -> None:
        """Make an empty collection."""

    def open(self) -> None:
        """Open the collection, which exists."""

    def close(self) -> None:
        """Release all resources."""

    def upsert(
        self, ids: Sequence[str], vectors: Sequence[list[float]], payloads: Sequence[dict[str, Any]]
    ) -> None:
        """Add or replace points, and wait until they are kept."""

    def delete(self, ids: Sequence[str]) -> None:
        """Remove points, and wait until that is kept."""

    def retrieve(self, ids: Sequence[str]) -> dict[str, FoundPoint]:
        """Return those of the points that exist, by id."""

    def query(self, vector: list[float], limit: int, clause: Clause) -> list[FoundPoint]:
        """Return the nearest points for which a clause holds, best first."""

    def count(self, clause: Clause) -> int:
        """Return the number of points for which a clause holds."""


def point_id(name: str) -> str:
    """Return the id of the point of an object: points are named by UUIDs.

    Example:
        >>> point_id("a") == point_id("a") != point_id("b")
        True
    """
    return str(uuid.uuid5(_SPACE, name))


def point_payload(name: str, payload: Payload) -> dict[str, Any]:
    """Return what is stored with the point of an object.

    Example:
        >>> point_payload("a", {"year": 2020.0, "tags": ["x"], "free": True})["tags"]
        ['year', 'year=2020', 'tags', 'tags="x"', 'free', 'free=true']
    """
    tags: list[str] = []
    numbers: dict[str, float] = {}
    for field, value in payload.items():
        tags.append(_quoted(field))
        items = value if isinstance(value, list) else [value]
        tags += [tag_of(field, item) for item in items if not isinstance(item, (list, dict))]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            numbers[_key(field)] = float(value)
    return {"id": name, "payload": dict(payload), TAGS: tags, _NUMBERS: numbers}


def tag_of(field: str, value: object) -> str:
    """Return the tag of a value of a field. Equal numbers have one tag, whatever their type."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{_quoted(field)}={json.dumps(value, ensure_ascii=False)}"


def clause_of(condition: Condition) -> tuple[Clause | None, bool]:
    """Return a condition as Qdrant can answer it.

    Returns:
        A clause that holds wherever the condition does, ``None`` for one that always holds; and
        whether it holds nowhere else.

    Example:
        >>> clause_of(Equals("source", ("aws",)))
        (Tagged(tags=('source="aws"',)), True)
    """
    if isinstance(condition, Equals):
        return _equals(condition), True
    if isinstance(condition, InRange):
        return _in_range(condition)
    if isinstance(condition, Not):
        clause, is_exact = clause_of(condition.condition)
        return (NoneOf((clause,)), True) if clause is not None and is_exact else (None, False)
    parts = [clause_of(part) for part in condition.conditions]
    is_exact = all(exact for _, exact in parts)
    clauses = tuple(clause for clause, _ in parts if clause is not None)
    if isinstance(condition, And):
        return (AllOf(clauses) if clauses else None), is_exact
    assert isinstance(condition, Or)
    return (AnyOf(clauses) if len(clauses) == len(parts) else None), is_exact


def built(
    clause: Clause,
    has_tag: Callable[[list[str]], Any],
    in_range: Callable[[str, dict[str, float]], Any],
    combined: Callable[..., Any],
) -> Any:
    """Return a clause as objects of a library of Qdrant.

    Args:
        clause: The clause.
        has_tag: Returns the condition that a point has one of some tags.
        in_range: Returns the condition that a number is within bounds.
        combined: Returns a filter of conditions, given as ``must``, ``should`` or ``must_not``.
    """
    if isinstance(clause, Tagged):
        return has_tag(list(clause.tags))
    if isinstance(clause, NumberIn):
        return in_range(clause.key, dict(clause.bounds))
    parts = [built(part, has_tag, in_range, combined) for part in clause.clauses]
    return combined(**{clause.occur: parts})


def _equals(condition: Equals) -> Clause:
    tagged = Tagged(tuple(tag_of(condition.field, value) for value in condition.values))
    if None not in condition.values:
        return tagged
    missing = NoneOf((Tagged((_quoted(condition.field),)),))
    return AnyOf((tagged, missing))


def _in_range(condition: InRange) -> tuple[Clause | None, bool]:
    names = {">=": "gte", ">": "gt", "<=": "lte", "<": "lt"}
    bounds: list[tuple[str, float]] = []
    for operator, bound in condition.bounds():
        if isinstance(bound, (str, bool)) or abs(bound) > _EXACT:
            return Tagged((_quoted(condition.field),)), False
        bounds.append((names[operator], float(bound)))
    if not bounds:
        return None, True
    return NumberIn(f"{_NUMBERS}.{_key(condition.field)}", tuple(bounds)), True


def _quoted(field: str) -> str:
    """Return a field so that ``=`` in it cannot be taken for the end of its name."""
    return field.replace("%", "%25").replace("=", "%3D")


def _key(field: str) -> str:
    """Return a field as a key in which no character has a meaning of its own."""
    return "n" + hashlib.sha256(field.encode()).hexdigest()[:24]
