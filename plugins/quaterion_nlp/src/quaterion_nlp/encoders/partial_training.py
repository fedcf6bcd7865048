"""Training a part of a sentence-transformers model: its top layers, or adapters beside them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers import SentenceTransformer
from torch import nn

from quaterion_core.plugins.nearest import unknown_name
from quaterion_core.utils.tensors import move_to_device
from quaterion_nlp.encoders.routes import check_one_transformer
from quaterion_nlp.encoders.transformer_layers import find_layers

if TYPE_CHECKING:
    from peft import LoraModel


def top_modules(model: SentenceTransformer, count: int) -> tuple[nn.Module, ...]:
    """Return the last layers of a model's transformer, and all modules that run after them.

    These modules are found by running the model once, on a text of one word.

    Args:
        model: A model with a transformer.
        count: The number of layers.

    Raises:
        ValueError: The layers cannot be found, or there are fewer.
    """
    check_one_transformer(model, "train_layers")
    layers = find_layers(model)
    if type(count) is not int or not 1 <= count <= len(layers):
        raise ValueError(
            f"Expected train_layers to be between 1 and the model's {len(layers)} layers, got "
            f"{count!r}."
        )
    return (*layers[-count:], *_run_after(layers[-1], model))


def require_peft() -> None:
    """Raise an ``ImportError`` unless peft is installed."""
    try:
        import_module("peft")
    except ImportError as error:
        raise ImportError('lora=... requires peft: pip install "quaterion-nlp[lora]"') from error


def add_adapters(model: SentenceTransformer, arguments: Mapping[str, Any]) -> LoraModel:
    """Freeze a model and add adapters to the layers of its transformer, in place.

    Args:
        model: A model with a transformer.
        arguments: Those of ``peft.LoraConfig``.

    Returns:
        The PEFT model, by which the adapters can be merged.

    Raises:
        ImportError: peft is missing.
        TypeError: An argument is unknown.
        ValueError: The model has no transformer, or none of the layers that should get adapters.
    """
    require_peft()
    from peft import LoraConfig, LoraModel

    known = [field.name for field in fields(LoraConfig) if field.init]
    for name in arguments:
        if name not in known:
            statement = "peft.LoraConfig has no argument"
            raise TypeError(unknown_name(statement, name, known, known_as="It takes"))
    check_one_transformer(model, "lora")
    transformer = model.transformers_model
    if transformer is None:
        raise ValueError("lora=... needs a model with a transformer, but this one has none.")
    model.requires_grad_(False)
    try:
        return LoraModel(transformer, LoraConfig(**arguments), "default")
    except ValueError as error:
        raise ValueError(f"lora={dict(arguments)} does not fit the model: {error}") from error


def merged(model: SentenceTransformer, adapters: LoraModel) -> SentenceTransformer:
    """Return a copy of a model with its adapters merged into the weights; it needs no peft."""
    model, adapters = copy.deepcopy((model, adapters))
    adapters.merge_and_unload()
    return model


def _run_after(layer: nn.Module, model: SentenceTransformer) -> list[nn.Module]:
    """List the modules that a model runs after one of its layers."""
    order: list[nn.Module] = []
    hooks = [
        module.register_forward_pre_hook(lambda module, _: order.append(module))
        for module in model.modules()
    ]
    hooks.append(layer.register_forward_hook(lambda *_: order.clear()))
    features = move_to_device(dict(model.preprocess(["word"])), model.device)
    try:
        with torch.no_grad():
            model.eval()(features)
    finally:
        for hook in hooks:
            hook.remove()
    return order
