"""Recipes that mark what a search may choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from quaterion_tune.chooser import Chooser

_MARK: Final = "search"
_RANGE: Final = {"low", "high", "log"}


def is_marked(content: Any) -> bool:
    """Return whether a recipe marks anything."""
    if isinstance(content, Mapping):
        return content.keys() == {_MARK} or any(map(is_marked, content.values()))
    return isinstance(content, list) and any(map(is_marked, content))


def suggested(content: Any, trial: Chooser, place: str = "") -> Any:
    """Return a recipe with a value for each mark.

    A mark is a mapping of the key ``search`` to a list of values, or to a range: ``{low: 0.001,
    high: 0.1, log: true}``, of integers if both ends are.

    Args:
        content: The recipe as JSON values, or a part of it.
        trial: Suggests values.
        place: Place of the part in the recipe.

    Raises:
        ValueError: A mark is neither a list nor a range.

    Example:
        >>> class First:
        ...     def suggest_categorical(self, name, choices): return choices[0]
        ...     def suggest_int(self, name, low, high, log=False): return low
        >>> recipe = {"loss": {"search": ["triplet", "supcon"]}, "epochs": {"search": {"low": 2,
        ...           "high": 9}}}
        >>> suggested(recipe, First())
        {'loss': 'triplet', 'epochs': 2}
    """
    if isinstance(content, list):
        return [suggested(item, trial, f"{place}[{n}]") for n, item in enumerate(content)]
    if not isinstance(content, Mapping):
        return content
    if content.keys() == {_MARK}:
        return _chosen(content[_MARK], trial, place)
    return {
        key: suggested(value, trial, f"{place}.{key}" if place else str(key))
        for key, value in content.items()
    }


def _chosen(given: Any, trial: Chooser, place: str) -> Any:
    if isinstance(given, list) and given:
        # Optuna stores plain values only, and a choice may be a mapping.
        number = trial.suggest_categorical(place, list(range(len(given))))
        return suggested(given[number], trial, f"{place}[{number}]")
    if isinstance(given, Mapping) and {"low", "high"} <= given.keys() <= _RANGE:
        low, high, log = given["low"], given["high"], bool(given.get("log", False))
        numbers = [value for value in (low, high) if isinstance(value, (int, float))]
        if len(numbers) == 2 and low < high and (low > 0 or not log):
            if all(type(value) is int for value in numbers):
                return trial.suggest_int(place, low, high, log=log)
            return trial.suggest_float(place, float(low), float(high), log=log)
    raise ValueError(
        f"Expected {place}.search to be a list of values, or a range such as "
        f"{{low: 0.001, high: 0.1, log: true}}, got {given!r:.100}."
    )
