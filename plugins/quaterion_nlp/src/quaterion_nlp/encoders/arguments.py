"""The arguments of a sentence-transformers encoder, checked before a model is opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from sentence_transformers.sentence_transformer.modules import Pooling

from quaterion_core.dataset.text_roles import Document, Query
from quaterion_core.utils.faults import Faults

PRECISIONS: Final = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
ROLES: Final = (Query.role, Document.role)


def check_arguments(
    *,
    trainable: Any,
    max_seq_length: Any,
    prompt: Any,
    prompts: Any,
    precision: Any,
    train_layers: Any,
    lora: Any,
    layers: Any,
    pooling: Any,
) -> None:
    """Check the arguments of ``SentenceTransformerEncoder`` that do not depend on the model.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument has a wrong value, two do not go together, or there are faults of
            both kinds. All faults are listed.
    """
    faults = Faults()
    for name, value, kind in (
        ("trainable", trainable, bool),
        ("prompt", prompt, str),
        ("lora", lora, Mapping),
    ):
        with faults.collected():
            if value is not None and not isinstance(value, kind):
                raise TypeError(f"Expected {name} to be a {kind.__name__}, got {value!r:.60}.")
    for name, value in (
        ("max_seq_length", max_seq_length),
        ("train_layers", train_layers),
        ("layers", layers),
    ):
        with faults.collected():
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"Expected {name} to be a positive integer, got {value!r:.60}.")
    with faults.collected():
        _check_prompts(prompts)
    with faults.collected():
        _check_pooling(pooling)
    with faults.collected():
        _check_precision(precision, trainable is True or (train_layers, lora) != (None, None))
    with faults.collected():
        if train_layers is not None and lora is not None:
            raise ValueError(
                "Expected train_layers or lora, got both. For adapters of the last layers only, "
                "pass lora={'layers_to_transform': [...]}."
            )
    faults.raise_all()


def _check_prompts(prompts: Any) -> None:
    if prompts is None:
        return
    if not isinstance(prompts, Mapping) or not all(isinstance(p, str) for p in prompts.values()):
        raise TypeError(
            "Expected prompts to be a mapping of roles to texts, such as {'query': 'query: '}, got "
            f"{prompts!r:.60}. For one prompt for all texts, pass prompt=..."
        )
    wrong = [role for role in prompts if role not in ROLES]
    if wrong:
        raise ValueError(
            f"Expected the keys of prompts to be {' and '.join(map(repr, ROLES))}, got "
            f"{', '.join(map(repr, wrong))}. For one prompt for all texts, pass prompt=..."
        )


def _check_pooling(pooling: Any) -> None:
    if pooling is None:
        return
    modes = tuple(pooling) if isinstance(pooling, (list, tuple)) else (pooling,)
    if not modes or any(mode not in Pooling.POOLING_MODES for mode in modes):
        raise ValueError(
            f"Expected pooling to be one of {', '.join(Pooling.POOLING_MODES)}, or a list of some "
            f"of them, got {pooling!r:.60}."
        )
    if len(set(modes)) < len(modes):
        raise ValueError(f"Expected each mode of pooling once, got {pooling!r:.60}.")


def _check_precision(precision: Any, is_trained: bool) -> None:
    if precision is None:
        return
    if not isinstance(precision, str) or precision not in PRECISIONS:
        raise ValueError(
            f"Expected precision to be one of {', '.join(PRECISIONS)}, got {precision!r:.60}."
        )
    if is_trained and precision != "float32":
        raise ValueError(
            f"precision={precision!r} is for a frozen encoder, since small updates are lost in it. "
            "Train with Trainer(precision='bf16-mixed'), in a recipe "
            "trainer: {precision: bf16-mixed}."
        )
