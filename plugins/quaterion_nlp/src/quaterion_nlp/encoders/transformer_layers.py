"""The layers of the transformer in a sentence-transformers model."""

from __future__ import annotations

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import WeightedLayerPooling
from torch import nn
from transformers import PreTrainedModel

from quaterion_nlp.encoders.routes import check_one_transformer


def find_layers(model: SentenceTransformer) -> nn.ModuleList:
    """Return the list of layers whose length matches the transformer's configuration.

    Args:
        model: A model with a transformer.

    Raises:
        ValueError: The model has no transformer, or not one such list.
    """
    transformer = model.transformers_model
    if transformer is None:
        raise ValueError(
            "layers=... and train_layers=... need a model with a transformer, but this one has "
            f"none: its modules are {', '.join(type(module).__name__ for module in model)}."
        )
    count = getattr(transformer.config, "num_hidden_layers", None)
    lists = [
        module
        for module in transformer.modules()
        if isinstance(module, nn.ModuleList) and len(module) == count
    ]
    inner = {id(part) for found in lists for part in found.modules() if part is not found}
    outer = [found for found in lists if id(found) not in inner]
    if len(outer) != 1:
        raise ValueError(
            f"The layers of the model cannot be found: {type(transformer).__name__} has "
            f"{len(outer)} lists of {count} layers instead of one. Leave layers and "
            "train_layers out; such a model is trained with lora={...} or trainable=True."
        )
    return outer[0]


def keep_first_layers(model: SentenceTransformer, count: int) -> None:
    """Remove all but the first layers of a model's transformer, in place.

    The configuration is changed, too, so that the model is saved and opened again without the
    other layers.

    Args:
        model: A model with a transformer.
        count: The number of layers to keep.

    Raises:
        ValueError: The layers cannot be found, there are fewer, or the model does not support the
            removal.
    """
    check_one_transformer(model, "layers")
    layers = find_layers(model)
    before = len(layers)
    if type(count) is not int or not 1 <= count <= before:
        raise ValueError(
            f"Expected layers to be between 1 and the model's {before} layers, got {count!r}."
        )
    if count == before:
        return
    if any(isinstance(module, WeightedLayerPooling) for module in model):
        raise ValueError(
            f"layers={count} does not go with the model's WeightedLayerPooling, which has learned "
            f"a weight for each of the {before} layers. Leave layers out."
        )
    transformer = model.transformers_model
    assert transformer is not None
    del layers[count:]
    config = transformer.config
    for name, value in list(vars(config).items()):
        if isinstance(value, list) and len(value) == before:
            setattr(config, name, value[:count])  # one entry for each layer, such as layer_types
    config.num_hidden_layers = count
    _check_opens_again(transformer)


def _check_opens_again(transformer: PreTrainedModel) -> None:
    """Check that the configuration alone builds a transformer of the same weights."""
    config = transformer.config
    try:
        with torch.device("meta"):
            built = type(transformer)(type(config).from_dict(config.to_dict()))
        shapes = {name: weight.shape for name, weight in built.state_dict().items()}
        wrong = [
            f"its configuration makes no {name} of shape {tuple(weight.shape)}"
            for name, weight in transformer.state_dict().items()
            if shapes.get(name) != weight.shape
        ]
    except Exception as error:  # each architecture checks its configuration in its own way
        wrong = [str(error)]
    if wrong:
        raise ValueError(
            f"{type(transformer).__name__} with {config.num_hidden_layers} layers is not this "
            f"model's first {config.num_hidden_layers} layers, so that it could not be opened "
            f"again after saving: {wrong[0]}. Leave layers out."
        )
