"""Image encoders and datasets for Quaterion; every name is imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quaterion_cv.datasets import Digits
    from quaterion_cv.encoders import TimmEncoder

__all__ = ["Digits", "TimmEncoder"]

_HOMES = {"Digits": "quaterion_cv.datasets", "TimmEncoder": "quaterion_cv.encoders"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
