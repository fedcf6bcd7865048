"""Rules by which search results count as matches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quaterion_core.matches.match_calibration import MatchCalibration


@dataclass(frozen=True)
class MatchRule:
    """Rule that decides from the similarity whether an object matches; exactly one is stated.

    Attributes:
        min_probability: Least probability of a match.
        false_match_rate: Largest rate of queries without an answer that get one.
        miss_rate: Largest rate of queries whose answer is missed.

    Raises:
        ValueError: Not exactly one is stated, or it is not between 0 and 1.

    Example:
        >>> MatchRule(min_probability=0.9)
        MatchRule(min_probability=0.9, false_match_rate=None, miss_rate=None)
    """

    min_probability: float | None = None
    false_match_rate: float | None = None
    miss_rate: float | None = None

    def __post_init__(self) -> None:
        stated = {name: value for name, value in vars(self).items() if value is not None}
        if len(stated) != 1:
            raise ValueError(
                "Expected one of min_probability, false_match_rate and miss_rate, got "
                f"{' and '.join(stated) or 'none'}."
            )
        [(name, value)] = stated.items()
        if not 0 < value < 1:
            raise ValueError(f"Expected {name} between 0 and 1, got {value}.")

    @classmethod
    def stated(
        cls,
        min_probability: float | None,
        false_match_rate: float | None,
        miss_rate: float | None,
    ) -> MatchRule | None:
        """Return the rule that a user states; ``None`` if none is stated.

        Raises:
            ValueError: Several are stated, or one is not between 0 and 1.
        """
        given = (min_probability, false_match_rate, miss_rate)
        return None if given == (None, None, None) else cls(*given)

    def accepts(
        self, calibration: MatchCalibration, similarities: npt.ArrayLike
    ) -> npt.NDArray[np.bool_]:
        """Return which similarities are those of matches.

        Raises:
            ValueError: The calibration has too few similarities for the rate.
        """
        values = np.asarray(similarities, dtype=np.float64)
        if self.min_probability is not None:
            return calibration.probability(values) >= self.min_probability
        threshold = calibration.threshold(
            miss_rate=self.miss_rate, false_match_rate=self.false_match_rate
        )
        return values >= threshold
