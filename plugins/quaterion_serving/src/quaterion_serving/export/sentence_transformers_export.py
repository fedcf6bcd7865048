"""Export to a folder of sentence-transformers, in the names that other servers read, too."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling
from torch import nn

from quaterion_core import SimilarityModel
from quaterion_core.embedding import evaluation_mode
from quaterion_core.storage import check_finite, open_saved_folder
from quaterion_core.storage.saved_folder import is_code_or_pickle
from quaterion_serving.export.dense_layers import sentence_transformer_modules
from quaterion_serving.export.graph import ExportError
from quaterion_serving.export.parts import opened
from quaterion_serving.export.samples import (
    TEXTS,
    checked_samples,
    expected_embeddings,
    text_sample,
)
from quaterion_serving.export.writing import (
    MODULES_FILE,
    check_output,
    output_folder,
    write_golden,
)
from quaterion_serving.exported.files import ExportedModelError
from quaterion_serving.exported.golden import TOLERANCE, Embeddings, Golden, Sample, read_golden
from quaterion_serving.exported.settings import ROLES

_OLD_PACKAGE: Final = "sentence_transformers.models"
_POOLING_FLAGS: Final = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


@dataclass(frozen=True)
class SentenceTransformersExport:
    """What an export to sentence-transformers gave.

    Attributes:
        path: The folder.
        deviation: Largest difference of a value from the model's own embeddings, in proportion to
            the length of the embedding.
        inference_server: Why text-embeddings-inference would give other embeddings, or none;
            ``None`` if it gives the same, scaled to unit length.
    """

    path: Path
    deviation: float
    inference_server: str | None


def export_sentence_transformers(
    model: SimilarityModel | str | Path,
    path: str | Path,
    *,
    samples: Sequence[str] | None = None,
    normalize: bool = False,
    part: str | None = None,
    overwrite: bool = False,
) -> SentenceTransformersExport:
    """Export a model to a folder that ``SentenceTransformer(path)`` opens.

    The head becomes ``Dense``, ``LayerNorm`` and ``Normalize`` modules, and prompts are written.
    Weights are safetensors. The folder is opened and compared with the model before it appears.
    Modules have the names of before sentence-transformers 5.4, which later ones and
    text-embeddings-inference read, too.

    Args:
        model: A model, or the folder that it is saved in, which is exported in float32.
        path: A new or empty folder.
        samples: Texts for golden vectors, at most 100; by default a few that are built in.
        normalize: Scale embeddings to unit length.
        part: Key of the encoder to export, for a model that chooses between several, such as
            ``"text"`` or ``"image"``.
        overwrite: Replace an exported model. Anything else is never replaced.

    Returns:
        Where it is, and how near to the model.

    Raises:
        ExportError: A part of the model has no counterpart in sentence-transformers.
        ExportedModelError: The folder does not give the model's embeddings.
        OutputExistsError: ``path`` exists, and may not be replaced.
    """
    check_output(path, overwrite=overwrite)
    model = opened(model, part)
    save = _saving_encoder(model)
    with (
        tempfile.TemporaryDirectory() as temporary,
        output_folder(path, overwrite=overwrite) as folder,
        evaluation_mode(model),
    ):
        save(Path(temporary, "model"))
        exported = SentenceTransformer(
            str(Path(temporary, "model")), device="cpu", local_files_only=True
        )
        for module in _head_modules(model, exported, normalize=normalize):
            exported.append(module)
        check_finite(exported.state_dict(), "the exported model")
        exported.save(str(folder), create_model_card=False, safe_serialization=True)
        _write_old_names(folder, exported)
        chosen = _samples(model, samples)
        expected = expected_embeddings(model, chosen, normalize=normalize)
        write_golden(folder, Golden(chosen, expected, TOLERANCE))
        deviation = check_sentence_transformers(folder)
        return SentenceTransformersExport(Path(path), deviation, _refused_by_server(exported))


def check_sentence_transformers(folder: Path) -> float:
    """Embed the golden samples in a folder with sentence-transformers, and compare.

    Raises:
        ExportedModelError: The folder holds files that could run code, or embeddings differ from
            the golden vectors.
        InvalidFolderError: It holds something else than files and folders.
    """
    with open_saved_folder(folder) as found:
        for name in found.files:
            if is_code_or_pickle(name):
                raise ExportedModelError(
                    f"{folder / name} could run code when it is loaded. Remove it."
                )
    exported = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    encoders: dict[str | None, Any] = {
        None: exported.encode,
        "query": exported.encode_query,
        "document": exported.encode_document,
    }

    def encode(sample: Sample) -> Embeddings:
        return np.asarray(encoders[sample.role]([sample.content], show_progress_bar=False))

    return read_golden(folder).check(encode, f"sentence-transformers on {folder}")


def _saving_encoder(model: SimilarityModel) -> Any:
    """Return the function that saves the only encoder as a sentence-transformers model."""
    encoders = model.encoders
    if len(encoders) > 1:
        raise ExportError(
            f"A model of {len(encoders)} encoders ({', '.join(encoders)}) has no counterpart in "
            "sentence-transformers. Export it with --to onnx."
        )
    ((key, encoder),) = encoders.items()
    save = getattr(encoder, "save_sentence_transformer", None)
    if save is None:
        raise ExportError(
            f"The encoder {key!r} ({type(encoder).__name__}) has no counterpart in "
            "sentence-transformers. Export the model with --to onnx, or define "
            "save_sentence_transformer(path) in its class."
        )
    if any(weight.dtype in (torch.float16, torch.bfloat16) for weight in encoder.parameters()):
        raise ExportError(
            f"Expected weights of float32 in the encoder {key!r}. Convert the model first: "
            "model.float()."
        )
    return save


def _head_modules(
    model: SimilarityModel, exported: SentenceTransformer, *, normalize: bool
) -> list[nn.Module]:
    head = model.head
    try:
        layers = head.get_layers()
    except NotImplementedError as error:
        raise ExportError(
            f"The head has no counterpart in sentence-transformers: {error} Export the model with "
            "--to onnx."
        ) from error
    modules = sentence_transformer_modules(layers, head.input_embedding_size, type(head).__name__)
    if normalize:
        modules.append(Normalize())
    if exported.truncate_dim is not None and modules:
        raise ExportError(
            f"The model of the encoder cuts its embeddings off at {exported.truncate_dim}, which "
            "sentence-transformers does after the head. Export the model with --to onnx."
        )
    return modules


def _samples(model: SimilarityModel, given: Sequence[str] | None) -> list[Sample]:
    if given is not None:
        return [text_sample(text) for text in checked_samples(given)]
    samples = [Sample(text, role) for role in ROLES for text in TEXTS]
    try:
        model.encode([TEXTS[0]])
    except ValueError:  # the model needs roles
        return samples
    return [*(Sample(text) for text in TEXTS), *samples]


def _write_old_names(folder: Path, model: SentenceTransformer) -> None:
    """Write modules and settings by the names that all versions and other servers read."""
    file = folder / MODULES_FILE
    listed = json.loads(file.read_text(encoding="utf-8"))
    for entry, module in zip(listed, model, strict=True):
        entry["type"] = f"{_OLD_PACKAGE}.{type(module).__name__}"
        if isinstance(module, Pooling):
            modes = module.pooling_mode
            used = {modes} if isinstance(modes, str) else {*modes}
            config = {
                "word_embedding_dimension": module.embedding_dimension,
                **{flag: mode in used for mode, flag in _POOLING_FLAGS.items()},
                "include_prompt": module.include_prompt,
            }
            _write(folder / entry["path"] / "config.json", config)
        elif isinstance(module, Transformer) and not entry["path"]:
            # Servers of other languages take the length from here.
            settings = folder / "sentence_bert_config.json"
            written = json.loads(settings.read_text(encoding="utf-8"))
            _write(settings, {**written, "max_seq_length": module.max_seq_length})
    _write(file, listed)


def _write(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _refused_by_server(model: SentenceTransformer) -> str | None:
    """Say why text-embeddings-inference does not give the same embeddings.

    It reads a transformer, one pooling and one ``Dense`` after it; a ``Normalize`` is applied at
    the end only.
    """
    first, *others = list(model)
    if not isinstance(first, Transformer):
        return f"it does not read a {type(first).__name__} in front of other modules"
    dense = [module for module in others if isinstance(module, Dense)]
    for module in others:
        if not isinstance(module, (Pooling, Dense, Normalize)):
            return f"it does not read a {type(module).__name__}"
        if isinstance(module, Pooling) and module.pooling_mode not in ("cls", "mean", "lasttoken"):
            return f"it does not pool by {module.pooling_mode}"
    if len(dense) > 1:
        return f"it reads one Dense, but there are {len(dense)}"
    for module in dense:
        activation = module.activation_function
        if not isinstance(activation, (nn.Identity, nn.Tanh)):
            return f"it does not know the activation {type(activation).__name__}"
        is_scaled = any(isinstance(m, Normalize) for m in others[: others.index(module)])
        if is_scaled and (module.bias or not isinstance(activation, nn.Identity)):
            return "it does not normalise in front of a Dense that has a bias or an activation"
    return None
