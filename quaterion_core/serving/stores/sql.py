"""Conditions on payloads in the SQL of SQLite."""

from __future__ import annotations

from typing import Any

from quaterion_core.serving.stores.filters import Condition, Equals, InRange, Not, Or, Value

_ANY_ITEM = (
    "(json_type(payload, ?) = 'array' AND EXISTS (SELECT 1 FROM json_each(payload, ?) WHERE {}))"
)


def where_clause(condition: Condition) -> tuple[str, list[Any]]:
    """Return a condition on the column ``payload``, and the values of its parameters.

    Raises:
        ValueError: A field has a quote or a backslash in its name, for which SQLite has no path.

    Example:
        >>> where_clause(InRange("year", at_least=2020))
        ("((json_type(payload, ?) IN ('integer', 'real') AND json_extract(payload, ?) >= ?))",
        ['$."year"', '$."year"', 2020])
    """
    if isinstance(condition, Equals):
        return _any_of([_equals(_path(condition.field), value) for value in condition.values])
    if isinstance(condition, InRange):
        return _all_of([_compares(_path(condition.field), *bound) for bound in condition.bounds()])
    if isinstance(condition, Not):
        clause, values = where_clause(condition.condition)
        return f"NOT coalesce({clause}, 0)", values
    parts = [where_clause(part) for part in condition.conditions]
    return _any_of(parts) if isinstance(condition, Or) else _all_of(parts)


def _equals(path: str, value: Value) -> tuple[str, list[Any]]:
    if value is None:
        item = _ANY_ITEM.format("type = 'null'")
        clause = f"(json_type(payload, ?) IS NULL OR json_type(payload, ?) = 'null' OR {item})"
        return clause, [path] * 4
    if isinstance(value, bool):
        name = "true" if value else "false"
        item = _ANY_ITEM.format(f"type = '{name}'")
        return f"(json_type(payload, ?) = '{name}' OR {item})", [path] * 3
    types = "('text')" if isinstance(value, str) else "('integer', 'real')"
    number = _bound(value)
    item = _ANY_ITEM.format(f"type IN {types} AND atom = ?")
    clause = f"((json_type(payload, ?) IN {types} AND json_extract(payload, ?) = ?) OR {item})"
    return clause, [path, path, number, path, path, number]


def _compares(path: str, operator: str, bound: str | float) -> tuple[str, list[Any]]:
    types = "('text')" if isinstance(bound, str) else "('integer', 'real')"
    clause = f"(json_type(payload, ?) IN {types} AND json_extract(payload, ?) {operator} ?)"
    return clause, [path, path, _bound(bound)]


def _bound(value: str | float) -> str | float:
    """Return a value as SQLite takes it: integers of 64 bits, or floating-point numbers."""
    is_large = isinstance(value, int) and not -(2**63) <= value < 2**63
    return float(value) if is_large else value


def _any_of(parts: list[tuple[str, list[Any]]]) -> tuple[str, list[Any]]:
    return _joined(parts, " OR ", "0")


def _all_of(parts: list[tuple[str, list[Any]]]) -> tuple[str, list[Any]]:
    return _joined(parts, " AND ", "1")


def _joined(parts: list[tuple[str, list[Any]]], word: str, empty: str) -> tuple[str, list[Any]]:
    clause = word.join(clause for clause, _ in parts) or empty
    return f"({clause})", [value for _, values in parts for value in values]


def _path(field: str) -> str:
    if any(letter in field for letter in '"\\') or not field.isprintable():
        raise ValueError(
            f"Expected the name of a field without quotes, backslashes and control characters, got "
            f"{field!r:.80}."
        )
    return f'$."{field}"'
