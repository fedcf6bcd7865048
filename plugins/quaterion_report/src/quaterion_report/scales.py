"""Scales of the axes of charts: from values to pixels, and the ticks between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A map from values to pixels.

    Args:
        low: The value at the pixel ``start``.
        high: The value at the pixel ``end``; it differs from ``low``.
        start: A pixel.
        end: A pixel.
        logarithmic: Whether equal distances are equal factors. Both values are positive then.

    Example:
        >>> Scale(0.0, 1.0, 100.0, 0.0)(0.25)
        75.0
        >>> Scale(1.0, 100.0, 0.0, 60.0, logarithmic=True)(10.0)
        30.0
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (self._place(value) - self._place(self.low)) / (
            self._place(self.high) - self._place(self.low)
        )
        return self.start + share * (self.end - self.start)

    def _place(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value


def extent(values: Sequence[float], *, at_least: float = 1e-6) -> tuple[float, float]:
    """Return the smallest and the largest value, a little apart if they are the same.

    Example:
        >>> extent([3.0, 1.0, 2.0]), extent([])
        ((1.0, 3.0), (0.0, 1.0))
        >>> extent([5.0, 5.0], at_least=1.0)
        (4.5, 5.5)
    """
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    if high - low < at_least:
        middle = (low + high) / 2
        return middle - at_least / 2, middle + at_least / 2
    return low, high


def round_extent(values: Sequence[float], count: int = 5) -> tuple[float, float]:
    """Return the range of round numbers around values.

    Example:
        >>> round_extent([0.13, 0.87])
        (0.0, 1.0)
        >>> round_extent([0.71, 0.74])
        (0.71, 0.74)
    """
    low, high = extent(values)
    step = _step(low, high, count)
    return (
        round(math.floor(low / step + 1e-9) * step, 12),
        round(math.ceil(high / step - 1e-9) * step, 12),
    )


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about ``count`` round numbers between two values.

    Example:
        >>> ticks(0.0, 1.0)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        >>> ticks(3.0, 47.0)
        [10.0, 20.0, 30.0, 40.0]
    """
    step = _step(low, high, count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5, 10, 20, ... between two positive values.

    Example:
        >>> log_ticks(1.0, 100.0)
        [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [float(digit * 10**power) for power in powers for digit in (1, 2, 5)]
    return [value for value in found if low <= value <= high]


def label(value: float) -> str:
    """Return a value of an axis as a short text.

    Example:
        >>> [label(value) for value in (0.0, 0.25, 20.0, 12500.0, 3000000.0, -0.5)]
        ['0', '0.25', '20', '12.5k', '3M', '−0.5']
    """
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return label(value / (1e3 if suffix == "k" else size)) + suffix
    return f"{value:.4g}".replace("-", "−")


def _step(low: float, high: float, count: int) -> float:
    """Return the step of 1, 2 or 5 times a power of ten that divides a range best."""
    rough = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)
