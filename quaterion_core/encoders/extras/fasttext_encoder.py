"""The old module path of the fastText encoder, which quaterion-nlp provides."""

from __future__ import annotations

import importlib
from typing import Any

from quaterion_core.plugins import MissingComponentError, registry

_NAMES = ("FasttextEncoder", "load_fasttext_model")


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        encoder = registry.load("encoder", "quaterion-nlp/fasttext")
    except MissingComponentError as error:
        raise ImportError(f"{__name__}.{name} needs quaterion-nlp[fasttext]. {error}") from error
    return getattr(importlib.import_module(encoder.__module__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})
