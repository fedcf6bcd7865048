"""Checks of an exported model by its golden vectors, whatever it was exported to."""

from __future__ import annotations

from pathlib import Path

from quaterion_serving.export.writing import MODULES_FILE
from quaterion_serving.exported.settings import TORCH, read_settings


def check_exported(path: str | Path) -> float:
    """Embed the stored samples of an exported model again, and compare with their golden vectors.

    Args:
        path: The folder.

    Returns:
        The largest difference of a value, in proportion to the length of its embedding.

    Raises:
        ExportedModelError: The folder is no exported model, or embeddings differ.
    """
    path = Path(path)
    if (path / MODULES_FILE).exists():
        from quaterion_serving.export.sentence_transformers_export import (
            check_sentence_transformers,
        )

        return check_sentence_transformers(path)
    if read_settings(path).kind == TORCH:
        from quaterion_serving.export.torch_export import TorchModel

        return TorchModel(path).check()
    from quaterion_serving.onnx_runner import OnnxModel

    return OnnxModel(path).check()
