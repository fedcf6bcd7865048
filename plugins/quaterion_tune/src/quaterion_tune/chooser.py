"""What suggests values in a search."""

from __future__ import annotations

from typing import Any, Protocol


class Chooser(Protocol):
    """What suggests values: a trial of Optuna."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Return one of some choices."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a number in a range."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Return an integer in a range."""
