"""Faults of a recipe, reported all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from quaterion_core.components import Fault
from quaterion_core.storage.errors import printable

_LONGEST_MESSAGE: Final = 50_000
_MOST_LISTED: Final = 100

Place = tuple[str | int, ...]


class RecipeError(ValueError):
    """A recipe that cannot be run; the message lists all faults.

    Attributes:
        faults: All faults, each with its place in the recipe.
    """

    def __init__(self, message: str, faults: Iterable[Fault] = ()):
        super().__init__(printable(message, longest=_LONGEST_MESSAGE))
        self.faults = tuple(faults)


class Faults:
    """Collection of faults, so that all of them are reported at once."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    @contextmanager
    def at(self, *place: str | int) -> Iterator[None]:
        """Convert an exception that the user can resolve into a fault at a place."""
        try:
            yield
        except Exception as error:  # a component's constructor may raise anything
            self.found.append(Fault(place, message_of(error)))

    def add(self, faults: Iterable[Fault]) -> None:
        """Add faults."""
        self.found += faults

    @property
    def keys(self) -> set[str | int]:
        """The top-level keys of the recipe that have faults."""
        return {fault.place[0] for fault in self.found if fault.place}


def message_of(error: Exception) -> str:
    """Return the message of an exception, with its type if that is informative."""
    message = str(error) or type(error).__name__
    if isinstance(error, (ValueError, TypeError, OSError, ImportError)):
        return message
    return f"{type(error).__name__}: {message}"


def recipe_error(
    name: str, faults: Iterable[Fault], line_of: Callable[[Place], int | None]
) -> RecipeError:
    """Return the error that lists faults in the order of the recipe.

    Args:
        name: Name of the recipe in the message.
        faults: The faults.
        line_of: Returns the line of a place; ``None`` if it has none.
    """
    unique = list({(fault.place, fault.message): fault for fault in faults}.values())
    lines = {fault.place: line_of(fault.place) for fault in unique}
    unique.sort(key=lambda fault: lines[fault.place] or 0)
    listed = [
        f"  - {f'line {line}, ' if (line := lines[fault.place]) else ''}{fault}"
        for fault in unique[:_MOST_LISTED]
    ]
    if len(unique) > _MOST_LISTED:
        listed.append(f"  - and {len(unique) - _MOST_LISTED:,} more")
    count = "1 fault" if len(unique) == 1 else f"{len(unique)} faults"
    return RecipeError("\n".join([f"{name} cannot be run ({count}):", *listed]), unique)
