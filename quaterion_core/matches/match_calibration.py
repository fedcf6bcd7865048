"""Calibration of matches: probabilities and thresholds for similarities, kept with a model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from quaterion_core.distances import Distance
from quaterion_core.storage import SavedFolder, write_json
from quaterion_core.utils.faults import checked_content

_FILE: Final = "config.json"
_MOST_DIMENSIONS: Final = 1_000_000
MOST_KEPT: Final = 10_000
"""Most similarities of each kind that are kept for thresholds."""

Floats = npt.NDArray[np.float64]
Number = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class LogisticCurve:
    """Logistic function of the similarity: 1 / (1 + exp(-(slope s + intercept))).

    Example:
        >>> LogisticCurve(slope=10.0, intercept=-5.0)(np.array([0.5, 1.0])).round(3)
        array([0.5  , 0.993])
    """

    slope: float
    intercept: float

    method: ClassVar[str] = "logistic"

    def __call__(self, similarities: Floats) -> Floats:
        """Return the probabilities of similarities."""
        logits = np.clip(self.slope * similarities + self.intercept, -500, 500)
        probabilities: Floats = 1 / (1 + np.exp(-logits))
        return probabilities


@dataclass(frozen=True)
class IsotonicCurve:
    """Monotone function through points, linear between them and constant beyond.

    Attributes:
        similarities: Similarities of the points, ascending.
        probabilities: Their probabilities, ascending.

    Example:
        >>> IsotonicCurve((0.2, 0.6), (0.1, 0.9))(np.array([0.0, 0.4, 0.8]))
        array([0.1, 0.5, 0.9])
    """

    similarities: tuple[float, ...]
    probabilities: tuple[float, ...]

    method: ClassVar[str] = "isotonic"

    def __call__(self, similarities: Floats) -> Floats:
        """Return the probabilities of similarities."""
        return np.interp(similarities, self.similarities, self.probabilities)


@dataclass(frozen=True)
class MatchCalibration:
    """Map from similarity to the probability of a match, with thresholds of stated error rates.

    Thresholds are those of split conformal prediction (Vovk, Gammerman and Shafer, *Algorithmic
    Learning in a Random World*, 2005, section 2.2): for a new query that is exchangeable with those
    of the calibration, the rate of errors is at most the stated one, whatever the distribution.

    Attributes:
        distance: Distance whose similarity is mapped.
        dim: Number of dimensions that embeddings are truncated to; ``None`` for all.
        curve: The map.
        matches: Similarities of matches, ascending.
        others: Similarities of what is no match, ascending.

    Example:
        >>> calibration = MatchCalibration(
        ...     distance=Distance.COSINE,
        ...     dim=None,
        ...     curve=LogisticCurve(slope=10.0, intercept=-5.0),
        ...     matches=(0.5, 0.7, 0.8, 0.9),
        ...     others=(0.0, 0.1, 0.3, 0.6),
        ... )
        >>> calibration.probability([0.5, 1.0]).round(2)
        array([0.5 , 0.99])
        >>> calibration.threshold(miss_rate=0.2), calibration.threshold(miss_rate=0.4)
        (0.5, 0.7)
        >>> round(calibration.threshold(false_match_rate=0.4), 6)
        0.3
    """

    distance: Distance
    dim: int | None
    curve: LogisticCurve | IsotonicCurve
    matches: tuple[float, ...]
    others: tuple[float, ...]

    FOLDER: ClassVar[str] = "matches"

    def probability(self, similarities: npt.ArrayLike) -> Floats:
        """Return the probability of a match for each of some similarities, of any shape."""
        return self.curve(np.asarray(similarities, dtype=np.float64))

    def threshold(
        self, *, miss_rate: float | None = None, false_match_rate: float | None = None
    ) -> float:
        """Return the similarity from which two objects are taken for a match.

        Args:
            miss_rate: Largest rate of matches that are missed; the threshold is then the highest
                one with this guarantee.
            false_match_rate: Largest rate of false matches; the threshold is then the lowest one.

        Raises:
            ValueError: Not exactly one rate is given, it is not between 0 and 1, or there are too
                few similarities to guarantee it.
        """
        if (miss_rate is None) == (false_match_rate is None):
            raise ValueError("Expected either miss_rate or false_match_rate.")
        if miss_rate is not None:
            return self.matches[_allowed(miss_rate, len(self.matches), "matches") - 1]
        assert false_match_rate is not None
        allowed = _allowed(false_match_rate, len(self.others), "objects that do not match")
        # Not the similarity itself, which the new object may have, too.
        return float(np.nextafter(self.others[-allowed], np.inf))

    def save(self, folder: Path) -> None:
        """Write the calibration to an existing folder."""
        curve = self.curve
        content = {
            "distance": self.distance.value,
            "dim": self.dim,
            "curve": {"method": curve.method, **vars(curve)},
            "matches": self.matches,
            "others": self.others,
        }
        write_json(folder / _FILE, content, owner="the calibration of matches")

    @classmethod
    def load(cls, folder: SavedFolder) -> Self:
        """Read a calibration from an untrusted folder.

        Raises:
            InvalidFolderError: The folder holds something else.
        """
        folder.require({_FILE})
        statement = f"{folder.path / _FILE} is no calibration of matches"
        saved = checked_content(_Saved, folder.read_json(_FILE), statement)
        return cls(
            Distance(saved.distance),
            saved.dim,
            saved.curve.built(),
            tuple(saved.matches),
            tuple(saved.others),
        )


def _allowed(rate: float, count: int, what: str) -> int:
    """Return the number of errors among ``count`` that a rate allows, at least one.

    A new similarity has each rank among the others with the probability 1 / (count + 1).

    Raises:
        ValueError: The rate is not between 0 and 1, or it allows none.
    """
    if not 0 < rate < 1:
        raise ValueError(f"Expected a rate between 0 and 1, got {rate}.")
    allowed = min(count, math.floor(rate * (count + 1) + 1e-9))
    if allowed < 1:
        raise ValueError(
            f"A rate of {rate:g} needs at least {math.ceil(1 / rate) - 1:,} {what} in the "
            f"calibration, which has {count:,}. Calibrate with more data, or allow a higher rate."
        )
    return allowed


class _Logistic(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    method: Literal["logistic"]
    slope: Annotated[Number, Field(ge=0)]
    intercept: Number

    def built(self) -> LogisticCurve:
        return LogisticCurve(self.slope, self.intercept)


class _Isotonic(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    method: Literal["isotonic"]
    similarities: list[Number] = Field(min_length=1, max_length=MOST_KEPT)
    probabilities: list[Annotated[Number, Field(ge=0, le=1)]]

    @model_validator(mode="after")
    def _is_curve(self) -> Self:
        if len(self.similarities) != len(self.probabilities):
            raise ValueError("expected a probability for each similarity")
        _check_ascending(self.similarities)
        _check_ascending(self.probabilities)
        return self

    def built(self) -> IsotonicCurve:
        return IsotonicCurve(tuple(self.similarities), tuple(self.probabilities))


class _Saved(BaseModel):
    """Content of the file of a calibration."""

    model_config = ConfigDict(extra="forbid", strict=True)

    distance: Literal["cosine", "dot_product", "euclidean", "manhattan"]
    dim: int | None = Field(ge=1, le=_MOST_DIMENSIONS)
    curve: Annotated[_Logistic | _Isotonic, Field(discriminator="method")]
    matches: list[Number] = Field(min_length=1, max_length=MOST_KEPT)
    others: list[Number] = Field(min_length=1, max_length=MOST_KEPT)

    @model_validator(mode="after")
    def _is_sorted(self) -> Self:
        _check_ascending(self.matches)
        _check_ascending(self.others)
        return self


def _check_ascending(numbers: list[float]) -> None:
    if any(low > high for low, high in pairwise(numbers)):
        raise ValueError("expected ascending numbers")
