"""Export by ``torch.export``, for programs with torch and without Quaterion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from quaterion_core import SimilarityModel
from quaterion_core.embedding import evaluation_mode
from quaterion_serving.export.graph import ExportError, model_graph
from quaterion_serving.export.parts import opened
from quaterion_serving.export.quiet import quiet
from quaterion_serving.export.samples import expected_embeddings, golden_samples
from quaterion_serving.export.writing import (
    check_output,
    output_folder,
    write_golden,
    write_settings,
)
from quaterion_serving.exported.files import PROGRAM_FILE, ExportedModelError
from quaterion_serving.exported.golden import TOLERANCE, Golden
from quaterion_serving.exported.model import ExportedModel
from quaterion_serving.exported.settings import TORCH


@dataclass(frozen=True)
class TorchExport:
    """What an export by ``torch.export`` gave.

    Attributes:
        path: The folder.
        deviation: Largest difference of a value from the model's own embeddings, in proportion to
            the length of the embedding.
    """

    path: Path
    deviation: float


def export_torch(
    model: SimilarityModel | str | Path,
    path: str | Path,
    *,
    samples: Sequence[Any] | None = None,
    normalize: bool = False,
    part: str | None = None,
    overwrite: bool = False,
) -> TorchExport:
    """Export a model by ``torch.export``, such as for AOTInductor or ExecuTorch.

    Beside ``model.pt2`` lie the tokenizer, settings and golden vectors, as in an export to ONNX.

    Args:
        model: A model, or the folder that it is saved in, which is exported in float32.
        path: A new or empty folder.
        samples: Objects for the golden vectors, at most 100; by default a few that are built in.
        normalize: Scale embeddings to unit length.
        part: Key of the encoder to export, for a model that chooses between several, such as
            ``"text"`` or ``"image"``.
        overwrite: Replace an exported model. Anything else is never replaced.

    Raises:
        ExportError: A part of the model cannot be exported.
        ExportedModelError: The program does not give the model's embeddings.
        OutputExistsError: ``path`` exists, and may not be replaced.
    """
    check_output(path, overwrite=overwrite)
    model = opened(model, part)
    with output_folder(path, overwrite=overwrite) as folder, evaluation_mode(model):
        graph = model_graph(model, normalize=normalize)
        chosen = golden_samples(graph, samples)
        expected = expected_embeddings(model, chosen, normalize=normalize)
        try:
            with quiet():
                program = torch.export.export(
                    graph.module, graph.example, dynamic_shapes=(graph.dynamic,)
                )
                torch.export.save(program, folder / PROGRAM_FILE)
        except Exception as error:  # whatever torch or a module of the model raises
            raise ExportError(
                "The model cannot be traced by torch.export: "
                f"{type(error).__name__}: {str(error).strip()[:500]}"
            ) from error
        write_settings(folder, graph, TORCH, model, normalize=normalize)
        write_golden(folder, Golden(chosen, expected, TOLERANCE))
        return TorchExport(Path(path), TorchModel(folder).check())


class TorchModel(ExportedModel):
    """A model that was exported by ``torch.export``.

    Reading ``model.pt2`` is left to ``torch.export.load``: open only folders that you trust.

    Args:
        path: The folder that ``quaterion export --to torch-export`` wrote.

    Raises:
        ExportedModelError: The folder is not such a model, or was changed.
    """

    kind: ClassVar[str] = TORCH
    graph_file: ClassVar[str] = PROGRAM_FILE

    def __init__(self, path: str | Path):
        super().__init__(path)
        try:
            self._module = torch.export.load(self.path / PROGRAM_FILE).module()
        except Exception as error:
            raise ExportedModelError(
                f"{self.path / PROGRAM_FILE} cannot be loaded: {error}"
            ) from error

    def _run(self, arrays: dict[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        inputs = [torch.from_numpy(arrays[name]) for name in self.settings.input_names]
        with torch.inference_mode():
            embeddings: np.ndarray[Any, Any] = self._module(*inputs).numpy()
        return embeddings
