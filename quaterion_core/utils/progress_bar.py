"""Import path of Quaterion 0.1 for :mod:`quaterion_core.train.callbacks.progress_bar`.

The progress bar is imported on first use, since it alone requires Lightning.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["FixedLengthProcessionSpeed", "QuaterionProgressBar"]  # noqa: F822


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("quaterion_core.train.callbacks.progress_bar"), name)
