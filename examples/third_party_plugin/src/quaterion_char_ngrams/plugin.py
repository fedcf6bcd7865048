"""What quaterion-char-ngrams brings to Quaterion; this module has to stay light."""

from __future__ import annotations

from quaterion_core.plugins import hookimpl

quaterion_api = 1


@hookimpl
def quaterion_encoders() -> dict[str, str]:
    """Declare the encoder."""
    return {"char-ngrams": "quaterion_char_ngrams.char_ngrams_encoder:CharNgramsEncoder"}
