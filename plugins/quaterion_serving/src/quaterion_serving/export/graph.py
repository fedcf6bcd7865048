"""A whole model as one module over arrays, and how objects become these arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from quaterion_core import SimilarityModel
from quaterion_core.encoders import ExportForm, ImageInputs, TextInputs
from quaterion_core.heads import EncoderHead
from quaterion_core.modules import UnitLength
from quaterion_serving.exported.settings import (
    FORMAT,
    FORMAT_VERSION,
    ImageSettings,
    TextSettings,
    tokenizer_file,
)


@dataclass(frozen=True)
class ModelGraph:
    """A model in the form in which it is exported.

    Attributes:
        module: Maps the inputs to embeddings (N, D).
        encoders: How objects become the inputs of each encoder, by key, as JSON values.
        tokenizers: Content of the files of tokenizers, by name.
        input_names: Names of the inputs, in their order.
        example: Inputs of two objects.
        dynamic: Which dimensions of each input vary.
        embedding_size: D.
    """

    module: nn.Module
    encoders: dict[str, dict[str, Any]]
    tokenizers: dict[str, str]
    input_names: list[str]
    example: tuple[Tensor, ...]
    dynamic: tuple[dict[int, Any], ...]
    embedding_size: int

    def settings(self, kind: str, notes: dict[str, Any], *, int8: bool = False) -> dict[str, Any]:
        """Return the content of ``export.json``."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "kind": kind,
            "embedding_size": self.embedding_size,
            "int8": int8,
            "encoders": self.encoders,
            "notes": notes,
        }


def model_graph(model: SimilarityModel, *, normalize: bool = False) -> ModelGraph:
    """Bring a model into the form in which it is exported.

    Args:
        model: The model.
        normalize: Scale embeddings to unit length.

    Raises:
        ValueError: A part cannot be exported; the error names it.
    """
    forms = {key: _form(key, encoder) for key, encoder in model.encoders.items()}
    encoders: dict[str, dict[str, Any]] = {}
    tokenizers: dict[str, str] = {}
    names: list[str] = []
    example: list[Tensor] = []
    dynamic: list[dict[int, Any]] = []
    for key, form in forms.items():
        prefix = "" if len(forms) == 1 else f"{key}_"
        inputs = form.inputs
        if isinstance(inputs, TextInputs):
            file = tokenizer_file(key, len(forms))
            tokenizers[file] = inputs.tokenizer
            encoders[key] = _text_settings(inputs, prefix, file)
            own = [f"{prefix}{name}" for name in inputs.names]
            example += [torch.ones(2, 7, dtype=torch.int64) for _ in own]
            dynamic += [{0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC} for _ in own]
        else:
            encoders[key] = _image_settings(inputs, f"{prefix}pixel_values")
            own = [f"{prefix}pixel_values"]
            example.append(torch.zeros(2, inputs.channels, inputs.height, inputs.width))
            dynamic.append({0: torch.export.Dim.DYNAMIC})
        names += own
    module = _WholeModel(list(forms.values()), model.head, normalize=normalize).eval()
    _check_weights(module)
    _check_head(model)
    return ModelGraph(
        module,
        encoders,
        tokenizers,
        names,
        tuple(example),
        tuple(dynamic),
        model.embedding_size,
    )


class ExportError(ValueError):
    """A model, or a part of it, cannot be exported."""


def _form(key: str, encoder: Any) -> ExportForm:
    try:
        form: ExportForm = encoder.get_export_form()
    except NotImplementedError as error:
        raise ExportError(f"The encoder {key!r} cannot be exported. {error}") from error
    return form


def _text_settings(inputs: TextInputs, prefix: str, file: str) -> dict[str, Any]:
    settings = TextSettings(
        {name: f"{prefix}{name}" for name in inputs.names},
        file,
        inputs.special_tokens,
        inputs.prompt,
        dict(inputs.prompts),
    )
    return {"kind": "text", **vars(settings)}


def _image_settings(inputs: ImageInputs, name: str) -> dict[str, Any]:
    settings = ImageSettings(
        name,
        inputs.channels,
        inputs.height,
        inputs.width,
        tuple(inputs.mean),
        tuple(inputs.std),
        inputs.interpolation,
        inputs.crop_share,
        inputs.crop_mode,
        inputs.background,
    )
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(settings).items()}
    return {"kind": "image", **values}


def _check_weights(module: nn.Module) -> None:
    for name, weight in module.named_parameters():
        if weight.device.type != "cpu":
            raise ExportError(
                f"Expected weights on the CPU, got {weight.device} for {name!r}. Move the model "
                "first: model.cpu()."
            )
        if weight.is_floating_point() and weight.dtype != torch.float32:
            raise ExportError(
                f"Expected weights of float32, got {weight.dtype} in {name!r}. Convert the model "
                "first: model.float()."
            )


def _check_head(model: SimilarityModel) -> None:
    """Run the head on two embeddings without meta, which an exported graph does not have."""
    head = model.head
    weight = next(head.parameters(), torch.empty(0))
    try:
        head(torch.ones(2, head.input_embedding_size, device=weight.device))
    except Exception as error:
        raise ExportError(
            f"The head {type(head).__name__} cannot be exported, because it does not run without "
            f"the meta of objects: {error}"
        ) from error


class _WholeModel(nn.Module):
    """Encoders, head and normalisation, over the inputs of all encoders in their order."""

    def __init__(self, forms: Sequence[ExportForm], head: EncoderHead, *, normalize: bool):
        super().__init__()
        self.encoders = nn.ModuleList(form.module for form in forms)
        self.counts = [
            len(form.inputs.names) if isinstance(form.inputs, TextInputs) else 1 for form in forms
        ]
        self.head = head
        self.after = UnitLength() if normalize else nn.Identity()

    def forward(self, *inputs: Tensor) -> Tensor:
        outputs = []
        start = 0
        for encoder, count in zip(self.encoders, self.counts, strict=True):
            outputs.append(encoder(*inputs[start : start + count]))
            start += count
        embeddings: Tensor = self.after(self.head(torch.cat(outputs, dim=1)))
        return embeddings
