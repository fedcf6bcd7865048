"""Text encoders and datasets for Quaterion, each imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quaterion_nlp.datasets.python_docs import PythonDocs
    from quaterion_nlp.encoders.fasttext_encoder import FasttextEncoder
    from quaterion_nlp.encoders.sentence_transformer_encoder import SentenceTransformerEncoder
    from quaterion_nlp.encoders.static_encoder import StaticEncoder

__all__ = [
    "FasttextEncoder",
    "PythonDocs",
    "SentenceTransformerEncoder",
    "StaticEncoder",
]

_HOMES = {
    "FasttextEncoder": "quaterion_nlp.encoders.fasttext_encoder",
    "PythonDocs": "quaterion_nlp.datasets.python_docs",
    "SentenceTransformerEncoder": "quaterion_nlp.encoders.sentence_transformer_encoder",
    "StaticEncoder": "quaterion_nlp.encoders.static_encoder",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
