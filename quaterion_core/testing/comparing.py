"""Comparing numbers and configurations, with messages that say what differs."""

from __future__ import annotations

import json
from typing import Any, Final, Protocol

import torch
from torch import Tensor

from quaterion_core.testing.checks import CheckError

TOLERANCE: Final = 1e-4
"""By how much float32 may differ, as a share of the largest value: what another order of sums
makes, many times over."""


class Configurable(Protocol):
    """What has a configuration."""

    def get_config_dict(self) -> dict[str, Any]:
        """Return the configuration."""


def require_same(
    actual: Tensor, expected: Tensor, what: str, *, tolerance: float = TOLERANCE
) -> None:
    """Fail unless two tensors are equal up to a tolerance.

    Args:
        actual: What was seen.
        expected: What was expected.
        what: What is compared, as the subject of a sentence.
        tolerance: The largest difference, as a share of the largest expected value or of 1.
    """
    if actual.shape != expected.shape:
        raise CheckError(
            f"{what}: the shape is {tuple(actual.shape)}, expected was {tuple(expected.shape)}"
        )
    if not actual.numel():
        return
    actual, expected = actual.detach(), expected.detach()
    difference = float((actual.double() - expected.double()).abs().max())
    allowed = tolerance * max(1.0, float(expected.double().abs().max()))
    if not difference <= allowed:  # also if it is NaN
        raise CheckError(
            f"{what}: values differ by {difference:.3g}, expected was at most {allowed:.3g}"
        )


def require_equal(actual: object, expected: object, what: str) -> None:
    """Fail unless two values are equal."""
    if actual != expected:
        raise CheckError(f"{what} comes back as {actual!r:.80}, expected was {expected!r:.80}")


def require_finite(tensor: Tensor, what: str) -> None:
    """Fail if a tensor has NaN or infinity in it."""
    finite = torch.isfinite(tensor)
    if not finite.all():
        raise CheckError(
            f"{what}: {int((~finite).sum())} of {tensor.numel()} values are NaN or infinite, "
            "expected were finite ones"
        )


def rebuilt(component: Any) -> Any:
    """Build a component again from its configuration, by way of JSON.

    Raises:
        CheckError: The configuration is not JSON, or another one comes out.
    """
    config = component.get_config_dict()
    try:
        text = json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CheckError(
            f"get_config_dict() returns {config!r:.200}, which is no JSON: {error}"
        ) from error
    if json.loads(text) != config:
        raise CheckError(
            f"get_config_dict() returns {config!r:.200}, which JSON gives back as {text:.200}"
        )
    again = type(component).from_config(json.loads(text))
    if type(again) is not type(component):
        raise CheckError(
            f"from_config() builds a {type(again).__name__}, expected was a "
            f"{type(component).__name__}"
        )
    if again.get_config_dict() != config:
        raise CheckError(
            f"the configuration {config!r:.200} builds a component whose configuration is "
            f"{again.get_config_dict()!r:.200}"
        )
    return again


def require_interface(component: object, base: type) -> None:
    """Fail unless a component derives from the interface of its kind."""
    if not isinstance(component, base):
        raise CheckError(
            f"a {type(component).__name__} is not derived from {base.__module__}.{base.__name__}"
        )
