"""Exported models on onnxruntime: no torch, and nothing else of Quaterion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import onnxruntime as ort

from quaterion_serving.exported.external_data import check_no_external_data
from quaterion_serving.exported.files import (
    MODEL_LIMIT,
    ONNX_FILE,
    ExportedModelError,
    read_file,
)
from quaterion_serving.exported.model import ExportedModel
from quaterion_serving.exported.settings import ONNX

OUTPUT: Final = "sentence_embedding"

__all__ = ["ExportedModelError", "OnnxModel"]


class OnnxModel(ExportedModel):
    """A model that was exported to ONNX.

    It needs NumPy, onnxruntime, for texts tokenizers and for images Pillow. The folder is checked
    before anything is run: it may hold only files that exporting writes, and its graph may not
    refer to other files.

    Args:
        path: The folder that ``quaterion export --to onnx`` wrote.
        threads: Number of threads for one operation; by default one per core.
        providers: What runs the graph; see ``onnxruntime.get_available_providers()``.

    Raises:
        ExportedModelError: The folder is not such a model, or was changed.

    Example::

        model = OnnxModel("faq-onnx")
        model.encode(["Where is my card?", "Cards arrive within five days."])
    """

    kind: ClassVar[str] = ONNX
    graph_file: ClassVar[str] = ONNX_FILE

    def __init__(
        self,
        path: str | Path,
        *,
        threads: int | None = None,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ):
        super().__init__(path)
        source = self.path / ONNX_FILE
        data = read_file(source, MODEL_LIMIT)
        check_no_external_data(data, str(source))
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            self._session = ort.InferenceSession(data, options, providers=list(providers))
        except Exception as error:  # onnxruntime raises classes of its own for each status
            raise ExportedModelError(f"{source} cannot be run: {error}") from error
        inputs = {value.name for value in self._session.get_inputs()}
        outputs = [value.name for value in self._session.get_outputs()]
        if inputs != {*self.settings.input_names} or outputs != [OUTPUT]:
            raise ExportedModelError(
                f"{source} does not fit its settings: expected the inputs "
                f"{self.settings.input_names} and the output {OUTPUT!r}, got {sorted(inputs)} and "
                f"{outputs}. Export the model again."
            )

    def _run(self, arrays: dict[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        (embeddings,) = self._session.run([OUTPUT], arrays)
        result: np.ndarray[Any, Any] = embeddings
        return result
