"""What an encoder is outside of Python: one module over arrays, and how objects become arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import nn


@dataclass(frozen=True)
class TextInputs:
    """How texts become the inputs of an exported encoder.

    Args:
        tokenizer: A tokenizer of the library ``tokenizers``, as the JSON that its ``to_str()``
            returns. It has to pad, and to truncate where the encoder does.
        names: Inputs of the module, in their order: ``"input_ids"``, ``"attention_mask"``,
            ``"token_type_ids"``, each int64 of shape (N, L).
        special_tokens: Whether the tokenizer adds special tokens, such as ``[CLS]``.
        prompt: Prefix of a text without a role; ``None`` if such texts are refused.
        prompts: Prefixes of texts by role, ``"query"`` or ``"document"``; a role that is left out
            has ``prompt``.
    """

    tokenizer: str
    names: Sequence[str] = ("input_ids", "attention_mask")
    special_tokens: bool = True
    prompt: str | None = ""
    prompts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageInputs:
    """How images become the input ``pixel_values`` of an exported encoder.

    An image is brought to ``channels``, resized, cropped or padded to ``height`` × ``width``,
    scaled to [0, 1] and normalised. The input is float32 of shape (N, C, H, W).

    Args:
        channels: C, 1 (grey), 3 (RGB) or 4 (RGBA).
        height: H.
        width: W.
        mean: Is subtracted, one value per channel.
        std: Divides what is left, one value per channel.
        interpolation: ``"nearest"``, ``"bilinear"``, ``"bicubic"``, ``"lanczos"``, ``"box"`` or
            ``"hamming"``.
        crop_share: Share of the resized image that the crop keeps, per side, in (0, 1].
        crop_mode: ``"center"``: the shorter side is fitted and the longer one cropped;
            ``"squash"``: both sides are fitted.
        background: Red, green and blue behind transparent images, from 0 to 255.
    """

    channels: int
    height: int
    width: int
    mean: Sequence[float]
    std: Sequence[float]
    interpolation: str
    crop_share: float = 1.0
    crop_mode: Literal["center", "squash"] = "center"
    background: tuple[int, int, int] = (255, 255, 255)


@dataclass(frozen=True)
class ExportForm:
    """An encoder in the form in which it is exported.

    Args:
        module: Maps the inputs, one tensor each, to embeddings (N, D). It may use all that
            ``torch.export`` can trace, for any N and any length L of the texts.
        inputs: How objects become these inputs.
    """

    module: nn.Module
    inputs: TextInputs | ImageInputs
