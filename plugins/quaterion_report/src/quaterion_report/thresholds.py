"""Thresholds on the similarity of two objects, and the errors that they make."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from quaterion_report.report_data import Similarities

LOW_RATE: Final = 0.001
"""The false accept rate of the strict threshold."""


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold: pairs at or above it count as matching.

    Attributes:
        bin: Number of the first bin that is accepted.
        threshold: Its lower edge.
        hits: Number of matching pairs that are accepted.
        accepted: Number of other pairs that are accepted.
        matching: Number of matching pairs.
        others: Number of other pairs.
    """

    bin: int
    threshold: float
    hits: int
    accepted: int
    matching: int
    others: int

    @property
    def false_reject_rate(self) -> float:
        """Share of the matching pairs that are missed."""
        return 1 - self.hits / self.matching

    @property
    def false_accept_rate(self) -> float:
        """Share of the other pairs that are accepted."""
        return self.accepted / self.others

    @property
    def precision(self) -> float | None:
        """Share of the accepted pairs that match; ``None`` if no pair is accepted."""
        total = self.hits + self.accepted
        return self.hits / total if total else None

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and the share of matching pairs that are accepted."""
        return 2 * self.hits / (self.matching + self.hits + self.accepted)


def operating_points(similarities: Similarities) -> dict[str, OperatingPoint]:
    """Return the thresholds that a page lists, by name.

    These are the threshold of the highest F1; the one at which both error rates are closest to
    each other; and the lowest one whose false accept rate is at most :data:`LOW_RATE`.

    Args:
        similarities: Counts of pairs, with at least one of each kind.

    Example:
        >>> counts = Similarities(low=0.0, high=1.0, matching=[0, 1, 0, 3], others=[6, 2, 1, 0])
        >>> [point.threshold for point in operating_points(counts).values()]
        [0.75, 0.5, 0.75]
    """
    points = all_points(similarities)
    return {
        "highest F1": max(points, key=lambda point: (point.f1, point.threshold)),
        "equal error rates": min(
            points, key=lambda point: abs(point.false_accept_rate - point.false_reject_rate)
        ),
        f"false accept rate of {LOW_RATE:.1%}": next(
            point for point in points if point.false_accept_rate <= LOW_RATE
        ),
    }


def all_points(similarities: Similarities) -> list[OperatingPoint]:
    """Return one operating point for each edge of the bins, lowest first."""
    bins = len(similarities.matching)
    width = (similarities.high - similarities.low) / bins
    hits = _from_above(similarities.matching)
    accepted = _from_above(similarities.others)
    return [
        OperatingPoint(
            bin=position,
            threshold=round(similarities.low + position * width, 6),
            hits=hits[position],
            accepted=accepted[position],
            matching=hits[0],
            others=accepted[0],
        )
        for position in range(bins + 1)
    ]


def _from_above(counts: list[int]) -> list[int]:
    """Return the number of pairs in each bin and those above it, and 0 for the upper edge."""
    return [*accumulate(reversed(counts), initial=0)][::-1]
