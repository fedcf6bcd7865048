"""Content of ``export.json``, checked by hand, so that it takes no other library."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from quaterion_serving.exported.files import (
    SETTINGS_FILE,
    TOKENIZER_FILE,
    ExportedModelError,
    read_json,
)

FORMAT: Final = "quaterion-export"
FORMAT_VERSION: Final = 1
ONNX: Final = "onnx"
TORCH: Final = "torch-export"
ROLES: Final = ("query", "document")
TEXT_INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")
INTERPOLATIONS: Final = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
CROP_MODES: Final = ("center", "squash")

_MOST_ENCODERS: Final = 16
_LONGEST_TEXT: Final = 100_000
_LARGEST_SIDE: Final = 4096
_LARGEST_EMBEDDING: Final = 1_000_000


@dataclass(frozen=True)
class TextSettings:
    """How texts become inputs.

    Attributes:
        inputs: Name of each input of the graph, by that of the array of the tokenizer.
        tokenizer: Name of the tokenizer's file.
        special_tokens: Whether the tokenizer adds special tokens.
        prompt: Prefix of a text without a role; ``None`` if such texts are refused.
        prompts: Prefixes by role.
    """

    inputs: Mapping[str, str]
    tokenizer: str
    special_tokens: bool
    prompt: str | None
    prompts: Mapping[str, str]


@dataclass(frozen=True)
class ImageSettings:
    """How images become an input; see ``ImageInputs`` of ``quaterion_core.encoders``.

    Attributes:
        input: Name of the input of the graph.
        channels: 1, 3 or 4.
        height: In pixels.
        width: In pixels.
        mean: One value per channel.
        std: One value per channel.
        interpolation: One of :data:`INTERPOLATIONS`.
        crop_share: In (0, 1].
        crop_mode: One of :data:`CROP_MODES`.
        background: Red, green and blue.
    """

    input: str
    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    crop_share: float
    crop_mode: str
    background: tuple[int, int, int]


EncoderSettings: TypeAlias = TextSettings | ImageSettings


@dataclass(frozen=True)
class ExportSettings:
    """Content of ``export.json``.

    Attributes:
        kind: :data:`ONNX` or :data:`TORCH`.
        embedding_size: D.
        int8: Whether weights are int8, so that embeddings depend on their batch.
        encoders: How objects become the inputs of each encoder, by key.
        notes: What else is written there, for people.
    """

    kind: str
    embedding_size: int
    int8: bool
    encoders: Mapping[str, EncoderSettings]
    notes: Mapping[str, Any]

    @property
    def input_names(self) -> list[str]:
        """Names of the graph's inputs, in their order."""
        return [
            name
            for encoder in self.encoders.values()
            for name in (
                encoder.inputs.values() if isinstance(encoder, TextSettings) else [encoder.input]
            )
        ]

    @property
    def tokenizers(self) -> list[str]:
        """Names of the files of tokenizers."""
        return [e.tokenizer for e in self.encoders.values() if isinstance(e, TextSettings)]


def tokenizer_file(key: str, count: int) -> str:
    """Return the name of a tokenizer's file, for one of a number of encoders."""
    return TOKENIZER_FILE if count == 1 else f"tokenizer_{key}.json"


def read_settings(folder: Path) -> ExportSettings:
    """Read and check ``export.json``.

    Raises:
        ExportedModelError: It is missing, or not what exporting writes.
    """
    path = folder / SETTINGS_FILE
    value = _Checked(read_json(path), str(path), "the file")
    if value.get("format") != FORMAT:
        raise ExportedModelError(
            f"{folder} is no exported model. Give a folder that `quaterion export` wrote."
        )
    if value.get("format_version") != FORMAT_VERSION:
        raise ExportedModelError(
            f"{folder} was written in the format version {value.get('format_version')!r:.20}, but "
            f"this version of quaterion-serving reads {FORMAT_VERSION}. Upgrade it, or export the "
            "model again."
        )
    encoders = value.mapping("encoders")
    if not 1 <= len(encoders) <= _MOST_ENCODERS:
        raise ExportedModelError(f"Expected 1 to {_MOST_ENCODERS} encoders in {path}.")
    return ExportSettings(
        kind=value.one_of("kind", (ONNX, TORCH)),
        embedding_size=value.integer("embedding_size", 1, _LARGEST_EMBEDDING),
        int8=value.flag("int8"),
        encoders={
            key: _encoder(key, _Checked(part, str(path), f"encoder {key!r:.80}"), len(encoders))
            for key, part in encoders.items()
        },
        notes=value.mapping("notes"),
    )


def _encoder(key: str, value: _Checked, count: int) -> EncoderSettings:
    if value.one_of("kind", ("text", "image")) == "image":
        return ImageSettings(
            input=value.text("input"),
            channels=value.one_of("channels", (1, 3, 4)),
            height=value.integer("height", 1, _LARGEST_SIDE),
            width=value.integer("width", 1, _LARGEST_SIDE),
            mean=value.numbers("mean", value.integer("channels", 1, 4)),
            std=value.numbers("std", value.integer("channels", 1, 4), positive=True),
            interpolation=value.one_of("interpolation", INTERPOLATIONS),
            crop_share=value.share("crop_share"),
            crop_mode=value.one_of("crop_mode", CROP_MODES),
            background=value.colour("background"),
        )
    inputs = value.mapping("inputs")
    if not inputs.keys() <= {*TEXT_INPUTS} or "input_ids" not in inputs:
        raise value.fault("inputs", f"some of {', '.join(TEXT_INPUTS)}", list(inputs))
    prompts = value.mapping("prompts")
    if not prompts.keys() <= {*ROLES}:
        raise value.fault("prompts", f"prompts of {' and '.join(ROLES)}", list(prompts))
    return TextSettings(
        inputs={name: _Checked(inputs, value.source, "inputs").text(name) for name in inputs},
        tokenizer=value.one_of("tokenizer", (tokenizer_file(key, count),)),
        special_tokens=value.flag("special_tokens"),
        prompt=None if value.get("prompt") is None else value.text("prompt"),
        prompts={role: _Checked(prompts, value.source, "prompts").text(role) for role in prompts},
    )


class _Checked:
    """A JSON object of a file, whose values are checked as they are read."""

    def __init__(self, value: Any, source: str, owner: str):
        self.source = source
        self.owner = owner
        if not isinstance(value, dict):
            raise ExportedModelError(
                f"Expected {owner} in {source} to be a JSON object, got {value!r:.60}."
            )
        self.value: dict[str, Any] = value

    def get(self, name: str) -> Any:
        return self.value.get(name)

    def fault(self, name: str, expected: str, got: Any) -> ExportedModelError:
        return ExportedModelError(
            f"Expected {name!r} of {self.owner} in {self.source} to be {expected}, got "
            f"{got!r:.80}. Export the model again."
        )

    def checked(self, name: str, expected: str, is_valid: Callable[[Any], bool]) -> Any:
        value = self.get(name)
        if not is_valid(value):
            raise self.fault(name, expected, value)
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.checked(name, "an object", lambda v: isinstance(v, dict))
        return found

    def flag(self, name: str) -> bool:
        return bool(self.checked(name, "true or false", lambda v: isinstance(v, bool)))

    def text(self, name: str) -> str:
        return str(
            self.checked(name, "a text", lambda v: isinstance(v, str) and len(v) <= _LONGEST_TEXT)
        )

    def integer(self, name: str, low: int, high: int) -> int:
        return int(
            self.checked(
                name,
                f"an integer from {low} to {high}",
                lambda v: type(v) is int and low <= v <= high,
            )
        )

    def one_of(self, name: str, choices: tuple[Any, ...]) -> Any:
        return self.checked(
            name,
            f"one of {', '.join(map(str, choices))}",
            lambda v: isinstance(v, (str, int)) and not isinstance(v, bool) and v in choices,
        )

    def share(self, name: str) -> float:
        return float(self.checked(name, "in (0, 1]", lambda v: _is_number(v) and 0.01 <= v <= 1))

    def numbers(self, name: str, count: int, *, positive: bool = False) -> tuple[float, ...]:
        found = self.checked(
            name,
            f"{count} {'positive ' if positive else ''}numbers",
            lambda v: (
                isinstance(v, list)
                and len(v) == count
                and all(_is_number(x) and (x > 1e-6 or not positive) for x in v)
            ),
        )
        return tuple(map(float, found))

    def colour(self, name: str) -> tuple[int, int, int]:
        red, green, blue = self.checked(
            name,
            "three integers from 0 to 255",
            lambda v: (
                isinstance(v, list)
                and len(v) == 3
                and all(type(x) is int and 0 <= x <= 255 for x in v)
            ),
        )
        return red, green, blue


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) < 1e6
        and math.isfinite(value)
    )
