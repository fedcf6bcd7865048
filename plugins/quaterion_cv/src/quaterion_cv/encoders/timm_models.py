"""Checks of timm models before anything is fetched, and loading of their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError, safe_open
from timm.models import PretrainedCfg, get_pretrained_cfg
from torch import Tensor, nn

from quaterion_core.plugins.nearest import nearest, suggestion


def find_model(model_name: str) -> PretrainedCfg:
    """Return what timm knows about a model and its pretrained weights.

    Raises:
        ValueError: timm has no such model, or no weights of that tag for it.

    Example:
        >>> find_model("test_resnet").input_size
        (3, 160, 160)
        >>> find_model("test_resnt")
        Traceback (most recent call last):
        ValueError: timm has no model 'test_resnt': did you mean 'test_resnet'? ...
    """
    if ":" in model_name or "/" in model_name:
        raise ValueError(
            f"{model_name!r} is a place, not the name of a model. Give the name of the "
            "architecture, such as 'resnet18', and the weights that lie there as a safetensors "
            "file on this machine, checkpoint_path='model.safetensors'."
        )
    if not timm.is_model(model_name):
        hint = suggestion(nearest(model_name, timm.list_models())[:1])
        raise ValueError(
            f"timm has no model {model_name!r}{f': {hint}' if hint else '.'} "
            "timm.list_models() lists them all."
        )
    try:
        return get_pretrained_cfg(model_name) or PretrainedCfg()
    except RuntimeError as error:
        tags = timm.list_pretrained(model_name.partition(".")[0])
        raise ValueError(f"{error} There are: {', '.join(tags) or 'none'}.") from error


def build_skeleton(model_name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Build a model for evaluation on torch's meta device: shapes and settings, no weights.

    Raises:
        ValueError: timm cannot build the model with these arguments.
    """
    try:
        with torch.device("meta"):
            return timm.create_model(model_name, pretrained=False, **arguments).eval()
    except Exception as error:  # of any kind: timm passes arguments on to hundreds of models
        raise ValueError(
            f"timm cannot build {model_name} with the arguments {dict(arguments)}: {error!r}"
        ) from error


def embedding_size(skeleton: nn.Module, input_size: Sequence[int]) -> int:
    """Return D, the size of the embedding (1, D) of one image (C, H, W).

    timm's ``num_features`` is not it for every model: some have a hidden layer, which stays,
    between the features and the classifier.

    Raises:
        ValueError: The model does not take images of this size, or gives several embeddings for
            one, or something else.

    Example:
        >>> skeleton = build_skeleton("test_mambaout", {"num_classes": 0})
        >>> skeleton.num_features, embedding_size(skeleton, (3, 160, 160))
        (64, 256)
    """
    name = type(skeleton).__name__
    try:
        with torch.no_grad():
            output = skeleton(torch.empty(1, *input_size, device="meta"))
    except Exception as error:  # of any kind, as above
        channels, height, width = input_size
        raise ValueError(
            f"{name} does not take images of {height} × {width} pixels with {channels} channels: "
            f"{error!r}. Choose another image_size."
        ) from error
    if not isinstance(output, Tensor) or output.ndim != 2:
        form = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(
            f"Expected {name} to return one embedding (1, D) for an image, got {form}. If it does "
            "not pool its features, try model_kwargs={'global_pool': 'avg'}."
        )
    return output.shape[1]


def fetch_pretrained(model_name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Build a model with timm's pretrained weights, from the Hugging Face hub or its cache here.

    Raises:
        ValueError: timm has no pretrained weights for it.
        OSError: The weights could not be fetched.
    """
    source = find_model(model_name)
    if not source.has_weights:
        raise ValueError(
            f"timm has no pretrained weights for {model_name}. Pass pretrained=False to start "
            "from random ones, or a file with weights as checkpoint_path."
        )
    try:
        return timm.create_model(model_name, pretrained=True, **arguments)
    except Exception as error:  # of any kind: what the hub's client and its transport raise
        place = f"hub repository {source.hf_hub_id}" if source.hf_hub_id else source.url
        raise OSError(
            f"The pretrained weights of {model_name} could not be fetched from the {place}: "
            f"{error!r}. Without network, pass a safetensors file with them as checkpoint_path, or "
            "pretrained=False to start from random ones."
        ) from error


def read_checkpoint(
    model_name: str, arguments: Mapping[str, Any], skeleton: nn.Module, path: Path
) -> nn.Module:
    """Build a model with the weights of a local safetensors file.

    timm adapts weights that depend on the number of channels or the size of images, and leaves
    out those of a classifier.

    Args:
        model_name: Name of the model.
        arguments: Further arguments for ``timm.create_model``.
        skeleton: The same model without weights.
        path: The file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no safetensors file, or is broken, or lacks weights, or has some
            of another shape.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint file {path}.")
    if path.suffix != ".safetensors":  # timm would unpickle it
        raise ValueError(
            f"{path} is not named as a safetensors file. Write one with "
            "safetensors.torch.save_model(model, 'model.safetensors')."
        )
    try:
        with safe_open(path, framework="pt") as file:
            saved = set(file.keys())
    except SafetensorError as error:
        raise ValueError(f"{path} is cut off or no safetensors file: {error}.") from error
    # timm loads a file without classifier leniently, and would leave what is missing random.
    needed = {name for name in skeleton.state_dict() if not name.endswith("num_batches_tracked")}
    if missing := sorted(needed - saved):
        raise ValueError(
            f"{path} has no weights for {len(missing)} of the {len(needed)} tensors of "
            f"{model_name}, such as {missing[0]!r}; it has such as {min(saved, default='none')!r}. "
            "Expected timm's names of tensors."
        )
    overlay = {"file": str(path), "custom_load": False}
    try:
        return timm.create_model(
            model_name, pretrained=True, pretrained_cfg_overlay=overlay, **arguments
        )
    except RuntimeError as error:
        raise ValueError(f"The weights in {path} do not fit {model_name}: {error}") from error
