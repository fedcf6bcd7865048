"""What quaterion-nlp brings to Quaterion: encoders and a dataset of texts."""

from __future__ import annotations

from quaterion_core.plugins import Component, hookimpl

quaterion_api = 1


@hookimpl
def quaterion_encoders() -> dict[str, str | Component]:
    """Declare the encoders of texts."""
    return {
        "fasttext": Component(
            "quaterion_nlp.encoders.fasttext_encoder:FasttextEncoder", extra="fasttext"
        ),
        "sentence-transformer": (
            "quaterion_nlp.encoders.sentence_transformer_encoder:SentenceTransformerEncoder"
        ),
        "static": "quaterion_nlp.encoders.static_encoder:StaticEncoder",
    }


@hookimpl
def quaterion_datasets() -> dict[str, str]:
    """Declare the datasets of texts."""
    return {"python-docs": "quaterion_nlp.datasets.python_docs:PythonDocs"}
