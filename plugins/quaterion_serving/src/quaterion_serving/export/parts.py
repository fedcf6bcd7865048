"""Parts of models that choose between encoders, such as those of texts and images."""

from __future__ import annotations

from pathlib import Path

from quaterion_core import SimilarityModel
from quaterion_core.encoders import SwitchEncoder
from quaterion_core.heads import SwitchHead
from quaterion_serving.export.graph import ExportError


def opened(model: SimilarityModel | str | Path, part: str | None) -> SimilarityModel:
    """Return a model, or a part of it.

    Args:
        model: A model, or the folder of one, which is loaded and converted to float32.
        part: The key of one of the encoders that the model chooses between, such as ``"text"``.

    Raises:
        ExportError: The model has no such part.
    """
    if not isinstance(model, SimilarityModel):
        model = SimilarityModel.load(model).float()
    return model if part is None else _part_of(model, part)


def _part_of(model: SimilarityModel, part: str) -> SimilarityModel:
    options = {
        option
        for encoder in model.encoders.values()
        if isinstance(encoder, SwitchEncoder)
        for option in encoder.options
    }
    if part not in options:
        raise ExportError(
            f"Expected the part to be one of {', '.join(sorted(options))}, got {part!r:.60}."
            if options
            else f"The model does not choose between encoders, so it has no part {part!r:.60}. "
            "Leave it out."
        )
    encoders = {
        key: encoder.options[part] if isinstance(encoder, SwitchEncoder) else encoder
        for key, encoder in model.encoders.items()
    }
    head = model.head.options[part] if isinstance(model.head, SwitchHead) else model.head
    return SimilarityModel(encoders, head).train(model.training)
