"""Declaration of the components of quaterion-char-ngrams; imports nothing heavy."""

from __future__ import annotations

from quaterion_core.plugins import Component, hookimpl

quaterion_api = 1


@hookimpl
def quaterion_encoders() -> dict[str, str]:
    """Declare the encoder."""
    return {"char-ngrams": "quaterion_char_ngrams.char_ngrams_encoder:CharNgramsEncoder"}


@hookimpl
def quaterion_datasets() -> dict[str, str]:
    """Declare the reader."""
    return {"corrections": "quaterion_char_ngrams.corrections:CorrectionsDataset"}


@hookimpl
def quaterion_optimizers() -> dict[str, str]:
    """Declare the optimizer."""
    return {"lion": "quaterion_char_ngrams.lion:Lion"}


@hookimpl
def quaterion_commands() -> dict[str, Component]:
    """Declare the command."""
    return {
        "ngrams": Component(
            "quaterion_char_ngrams.ngrams_command:ngrams",
            summary="Show the n-grams of a text.",
        )
    }
