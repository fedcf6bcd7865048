"""Opening of an exported model by what it was exported to."""

from __future__ import annotations

from pathlib import Path

from quaterion_serving.exported.model import ExportedModel


def open_exported(path: str | Path) -> ExportedModel:
    """Open an exported model, whatever runs its graph.

    Raises:
        ExportedModelError: The folder is not an exported model.
    """
    from quaterion_serving.onnx_runner import OnnxModel

    return OnnxModel(path)
