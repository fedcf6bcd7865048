"""Comparison of tensors and configurations, with messages that state the difference."""

from __future__ import annotations

import json
from typing import Any, Final, Protocol

import torch
from torch import Tensor

from quaterion_core.testing.checks import CheckError

TOLERANCE: Final = 1e-4
"""Relative tolerance for float32, well above the effect of a different summation order."""


class Configurable(Protocol):
    """An object with a configuration."""

    def get_config_dict(self) -> dict[str, Any]:
        """Return the configuration."""


def require_same(
    actual: Tensor, expected: Tensor, what: str, *, tolerance: float = TOLERANCE
) -> None:
    """Fail unless two tensors are equal up to a tolerance.

    Args:
        actual: The actual tensor.
        expected: The expected tensor.
        what: Description of what is compared, for the error message.
        tolerance: Maximum difference, relative to the largest expected magnitude or to 1, whichever
            is larger.
    """
    if actual.shape != expected.shape:
        raise CheckError(
            f"{what}: expected the shape {tuple(expected.shape)}, got {tuple(actual.shape)}"
        )
    if not actual.numel():
        return
    actual, expected = actual.detach(), expected.detach()
    difference = float((actual.double() - expected.double()).abs().max())
    allowed = tolerance * max(1.0, float(expected.double().abs().max()))
    if not difference <= allowed:  # also if it is NaN
        raise CheckError(
            f"{what}: expected a difference of at most {allowed:.3g}, got {difference:.3g}"
        )


def require_equal(actual: object, expected: object, what: str) -> None:
    """Fail unless two values are equal."""
    if actual != expected:
        raise CheckError(f"{what}: expected {expected!r:.80}, got {actual!r:.80}")


def require_finite(tensor: Tensor, what: str) -> None:
    """Fail if a tensor contains NaN or infinity."""
    finite = torch.isfinite(tensor)
    if not finite.all():
        raise CheckError(
            f"{what}: expected finite values, got NaN or infinity in {int((~finite).sum())} of "
            f"{tensor.numel()}"
        )


def rebuilt(component: Any) -> Any:
    """Rebuild a component from its configuration, serialized as JSON.

    Raises:
        CheckError: If the configuration cannot be serialized, or differs after the round trip.
    """
    config = component.get_config_dict()
    try:
        text = json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CheckError(
            f"expected JSON values from get_config_dict(), got {config!r:.200}: {error}"
        ) from error
    if json.loads(text) != config:
        raise CheckError(
            f"get_config_dict() returns {config!r:.200}, which JSON turns into {text:.200}"
        )
    again = type(component).from_config(json.loads(text))
    if type(again) is not type(component):
        raise CheckError(
            f"expected from_config() to return a {type(component).__name__}, got a "
            f"{type(again).__name__}"
        )
    if again.get_config_dict() != config:
        raise CheckError(
            f"expected the configuration {config!r:.200} after a round trip, got "
            f"{again.get_config_dict()!r:.200}"
        )
    return again


def require_interface(component: object, base: type) -> None:
    """Fail unless a component is derived from the base class of its kind."""
    if not isinstance(component, base):
        raise CheckError(
            f"{type(component).__name__} is not derived from {base.__module__}.{base.__name__}"
        )
