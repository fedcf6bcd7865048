"""Export to ONNX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from quaterion_core import SimilarityModel
from quaterion_core.embedding import evaluation_mode
from quaterion_serving.export.graph import ExportError, ModelGraph, model_graph
from quaterion_serving.export.parts import opened
from quaterion_serving.export.quiet import quiet
from quaterion_serving.export.samples import expected_embeddings, golden_samples
from quaterion_serving.export.writing import (
    check_output,
    output_folder,
    write_golden,
    write_settings,
)
from quaterion_serving.exported.files import MODEL_LIMIT, ONNX_FILE
from quaterion_serving.exported.golden import (
    INT8_TOLERANCE,
    TOLERANCE,
    Golden,
    Sample,
    compare,
)
from quaterion_serving.exported.settings import ONNX
from quaterion_serving.packages import require_packages

MAX_LOSS: Final = 0.01
"""Largest loss of quality by int8, by default: one query in a hundred."""

_NEEDED: Final = ("onnx", "onnxscript", "onnxruntime", "tokenizers")


@dataclass(frozen=True)
class OnnxExport:
    """What an export to ONNX gave.

    Attributes:
        path: The folder.
        deviation: Largest difference of a value from the model's own embeddings, in proportion to
            the length of the embedding; of the float32 graph, where weights are int8.
        metric: Name of the metric that int8 is measured by; ``None`` without int8.
        float32: Its value for float32.
        int8: Its value for int8.
    """

    path: Path
    deviation: float
    metric: str | None = None
    float32: float | None = None
    int8: float | None = None


def export_onnx(
    model: SimilarityModel | str | Path,
    path: str | Path,
    *,
    samples: Sequence[Any] | None = None,
    normalize: bool = False,
    part: str | None = None,
    int8: bool = False,
    data: str | Path | Mapping[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    recipe: Any = None,
    max_loss: float = MAX_LOSS,
    overwrite: bool = False,
) -> OnnxExport:
    """Export a model to ONNX: encoders, pooling, head and normalisation in one graph.

    Beside the graph lie the tokenizer, settings, and golden vectors: the model's embeddings of a
    few samples. The graph is compared with them on onnxruntime before the folder appears.

    Args:
        model: A model, or the folder that it is saved in, which is exported in float32.
        path: A new or empty folder.
        samples: Objects for the golden vectors, at most 100; by default a few that are built in.
        normalize: Scale embeddings to unit length.
        part: Key of the encoder to export, for a model that chooses between several, such as
            ``"text"`` or ``"image"``.
        int8: Quantize the weights to int8, per channel. Activations are quantized by their range in
            the batch, so that an embedding depends, slightly, on its batch.
        data: For ``int8``, data to measure the loss of quality on; see
            :func:`quaterion_core.evaluate_recipe`.
        columns: Columns of ``data``, such as ``{"obj_a": "question", "obj_b": "answer"}``; by
            default those of the recipe.
        recipe: Recipe that says how ``data`` are read; by default the one in the model's folder.
        max_loss: For ``int8``, the largest loss of precision@1 (for groups, recall@1); with more,
            nothing is written.
        overwrite: Replace an exported model. Anything else is never replaced.

    Returns:
        Where it is, and how near to the model.

    Raises:
        ExportError: A part of the model cannot be exported, or int8 loses too much.
        ExportedModelError: The graph does not give the model's embeddings.
        ImportError: onnx, onnxscript, onnxruntime or tokenizers are missing.
        OutputExistsError: ``path`` exists, and may not be replaced.
    """
    require_packages(_NEEDED, "Exporting to ONNX", "onnx")
    check_output(path, overwrite=overwrite)
    if int8 and data is None and recipe is None:
        raise ValueError(
            "int8 needs data to measure its loss of quality on, got none. Pass data (--data), such "
            "as the validation file of the recipe."
        )
    if recipe is None and isinstance(model, (str, Path)) and (Path(model) / "recipe.yaml").exists():
        recipe = Path(model) / "recipe.yaml"
    model = opened(model, part)
    with output_folder(path, overwrite=overwrite) as folder, evaluation_mode(model):
        graph = model_graph(model, normalize=normalize)
        chosen = golden_samples(graph, samples)
        expected = expected_embeddings(model, chosen, normalize=normalize)
        write_graph(graph, folder / ONNX_FILE)
        write_settings(folder, graph, ONNX, model, normalize=normalize)
        deviation = _deviation(folder, chosen, expected)
        if not int8:
            write_golden(folder, Golden(chosen, expected, TOLERANCE))
            return OnnxExport(Path(path), deviation)
        from quaterion_serving.export.quantization import quantize

        loss = quantize(folder, model, data=data, columns=columns, recipe=recipe, most=max_loss)
        write_settings(
            folder, graph, ONNX, model, int8=True, normalize=normalize, quality=vars(loss)
        )
        write_golden(folder, Golden(chosen, _embedded_alone(folder, chosen), INT8_TOLERANCE))
        return OnnxExport(Path(path), deviation, loss.metric, loss.float32, loss.int8)


def write_graph(graph: ModelGraph, file: Path) -> None:
    """Write a model as an ONNX graph.

    Raises:
        ExportError: It cannot be traced, or is too large for one file.
    """
    from quaterion_serving.onnx_runner import OUTPUT

    size = sum(w.numel() * w.element_size() for w in graph.module.state_dict().values())
    if size > MODEL_LIMIT:
        raise ExportError(
            f"The model has {size:,} bytes of weights, more than the {MODEL_LIMIT:,} that an ONNX "
            "graph in one file can hold. Export it with --to torch-export."
        )
    try:
        with quiet():
            program = torch.onnx.export(
                graph.module,
                graph.example,
                dynamo=True,
                dynamic_shapes=(graph.dynamic,),
                input_names=graph.input_names,
                output_names=[OUTPUT],
                external_data=False,
                verbose=False,
            )
            assert program is not None
            program.save(str(file), external_data=False)
    except Exception as error:  # whatever torch, onnxscript or a module of the model raises
        raise ExportError(
            "The model cannot be traced as an ONNX graph: "
            f"{type(error).__name__}: {str(error).strip()[:500]}"
        ) from error


def _deviation(folder: Path, samples: Sequence[Sample], expected: Any) -> float:
    """Compare the graph with the model, sample by sample and in one batch.

    Raises:
        ExportedModelError: They differ.
    """
    from quaterion_serving.onnx_runner import OnnxModel

    runner = OnnxModel(folder)
    source = "The exported graph"
    alone = Golden(samples, expected, TOLERANCE).check(runner.encode_sample, source)
    together = [
        (rows, runner.encode([samples[row].content for row in rows], role=role))
        for role in dict.fromkeys(sample.role for sample in samples)
        if (rows := [row for row, sample in enumerate(samples) if sample.role == role])
    ]
    return max(
        alone, *(compare(found, expected[rows], TOLERANCE, source) for rows, found in together)
    )


def _embedded_alone(folder: Path, samples: Sequence[Sample]) -> Any:
    import numpy as np

    from quaterion_serving.onnx_runner import OnnxModel

    runner = OnnxModel(folder)
    return np.concatenate([runner.encode_sample(sample) for sample in samples])
