"""Fitting of calibrations of matches, with scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from quaterion_core.distances import Distance
from quaterion_core.matches.match_calibration import (
    MOST_KEPT,
    Floats,
    IsotonicCurve,
    LogisticCurve,
    MatchCalibration,
)
from quaterion_core.utils.counted import counted

Method: TypeAlias = Literal["auto", "isotonic", "logistic"]

_ENOUGH: Final = 1000
"""Number of matches, and of others, from which isotonic regression does not overfit."""

_PENALTY: Final = 100.0
"""Inverse of the L2 penalty: few data, or such that can be separated, get no vertical curve."""


def fitted_calibration(
    similarities: Floats,
    is_match: npt.NDArray[np.bool_],
    matches: Floats,
    others: Floats,
    *,
    distance: Distance,
    dim: int | None,
    method: Method = "auto",
) -> MatchCalibration:
    """Return the calibration of similarities whose matches are known.

    Args:
        similarities: Similarities for the probability, shape (P,).
        is_match: Which of them are those of matches, shape (P,).
        matches: Similarities of matches for thresholds, one for each query.
        others: Similarities of the others for thresholds, one for each query.
        distance: Distance of the similarities.
        dim: Number of dimensions that embeddings are truncated to.
        method: ``"isotonic"`` regression (Zadrozny and Elkan 2002), ``"logistic"`` regression
            (Platt 1999), or ``"auto"`` for the former from 1,000 matches and 1,000 others on.

    Raises:
        ImportError: scikit-learn is not installed.
        ValueError: There are no matches or no others.

    Example:
        >>> calibration = fitted_calibration(
        ...     np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]),
        ...     np.array([0.8, 0.9]), np.array([0.1, 0.2]),
        ...     distance=Distance.COSINE, dim=None, method="isotonic",
        ... )
        >>> calibration.probability([0.15, 0.5, 0.85]).round(2)
        array([0.25, 0.5 , 0.75])
    """
    count = int(is_match.sum())
    if not count or count == len(is_match):
        missing = "matches" if not count else "objects that do not match"
        raise ValueError(
            f"There is nothing to calibrate with: none of {counted(len(is_match), 'pair')} is one "
            f"of {missing}. Give pairs with a score of 1 and some with a score of 0, or at least "
            "two questions with different answers."
        )
    if method == "auto":
        method = "isotonic" if min(count, len(is_match) - count) >= _ENOUGH else "logistic"
    try:
        fit = _FITS[method]
    except KeyError:
        raise ValueError(
            f"Expected the method 'auto', 'isotonic' or 'logistic', got {method!r:.60}."
        ) from None
    return MatchCalibration(
        distance, dim, fit(similarities, is_match), _kept(matches), _kept(others)
    )


def _logistic(similarities: Floats, is_match: npt.NDArray[np.bool_]) -> LogisticCurve:
    linear = _scikit_learn("linear_model")
    scale = float(similarities.std()) or 1.0
    model = linear.LogisticRegression(C=_PENALTY, max_iter=1000)
    model.fit(similarities[:, None] / scale, is_match)
    slope = max(0.0, float(model.coef_[0, 0]) / scale)
    return LogisticCurve(slope, float(model.intercept_[0]))


def _isotonic(similarities: Floats, is_match: npt.NDArray[np.bool_]) -> IsotonicCurve:
    isotonic = _scikit_learn("isotonic")
    model = isotonic.IsotonicRegression(out_of_bounds="clip")
    model.fit(similarities, is_match.astype(np.float64))
    x, y = model.X_thresholds_, model.y_thresholds_
    if len(x) > MOST_KEPT:
        chosen = np.linspace(0, len(x) - 1, MOST_KEPT).round().astype(int)
        x, y = x[chosen], y[chosen]
    # Laplace's rule of succession: no finite sample shows that something never happens.
    count = min(int(is_match.sum()), int((~is_match).sum()))
    margin = 1 / (count + 2)
    return IsotonicCurve(tuple(x.tolist()), tuple(np.clip(y, margin, 1 - margin).tolist()))


_FITS: Final[
    dict[str, Callable[[Floats, npt.NDArray[np.bool_]], LogisticCurve | IsotonicCurve]]
] = {"logistic": _logistic, "isotonic": _isotonic}


def _kept(values: Floats) -> tuple[float, ...]:
    """Return values in ascending order, of many a random sample, which stays exchangeable."""
    if len(values) > MOST_KEPT:
        values = np.random.default_rng(0).choice(values, MOST_KEPT, replace=False)
    return tuple(np.sort(values).tolist())


def _scikit_learn(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise ImportError(
            'Calibration needs scikit-learn. Install it: pip install "quaterion-serving'
            '[calibration]"'
        ) from error
