"""What quaterion-cv brings to Quaterion: an encoder and a dataset of images."""

from __future__ import annotations

from quaterion_core.plugins import hookimpl

quaterion_api = 1


@hookimpl
def quaterion_encoders() -> dict[str, str]:
    """Declare the encoders of images."""
    return {"timm": "quaterion_cv.encoders.timm_encoder:TimmEncoder"}


@hookimpl
def quaterion_datasets() -> dict[str, str]:
    """Declare the datasets of images."""
    return {"digits": "quaterion_cv.datasets.digits:Digits"}
