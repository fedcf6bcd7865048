"""Datasets of texts, each imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quaterion_nlp.datasets.guided_pairs import GuidedPairs, GuidedPairSample, with_guide
    from quaterion_nlp.datasets.named_groups import NamedGroups
    from quaterion_nlp.datasets.python_docs import PythonDocs

__all__ = [
    "GuidedPairSample",
    "GuidedPairs",
    "NamedGroups",
    "PythonDocs",
    "with_guide",
]

_HOMES = {
    "GuidedPairSample": "quaterion_nlp.datasets.guided_pairs",
    "GuidedPairs": "quaterion_nlp.datasets.guided_pairs",
    "NamedGroups": "quaterion_nlp.datasets.named_groups",
    "PythonDocs": "quaterion_nlp.datasets.python_docs",
    "with_guide": "quaterion_nlp.datasets.guided_pairs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
