"""Layers of ``torch.nn`` as data: a name from a fixed table, and the constructor's arguments."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

from quaterion_core.modules.simple import ActivationFromFnName
from quaterion_core.storage import NotSavableError

_ELEMENTWISE: Final[dict[type[nn.Module], tuple[str, ...]]] = {
    ActivationFromFnName: ("activation_fn",),
    nn.AlphaDropout: ("p", "inplace"),
    nn.CELU: ("alpha", "inplace"),
    nn.Dropout: ("p", "inplace"),
    nn.ELU: ("alpha", "inplace"),
    nn.GELU: ("approximate",),
    nn.Hardshrink: ("lambd",),
    nn.Hardsigmoid: ("inplace",),
    nn.Hardswish: ("inplace",),
    nn.Hardtanh: ("min_val", "max_val", "inplace"),
    nn.Identity: (),
    nn.LeakyReLU: ("negative_slope", "inplace"),
    nn.LogSigmoid: (),
    nn.LogSoftmax: ("dim",),
    nn.Mish: ("inplace",),
    nn.PReLU: ("num_parameters",),
    nn.ReLU: ("inplace",),
    nn.ReLU6: ("inplace",),
    nn.SELU: ("inplace",),
    nn.SiLU: ("inplace",),
    nn.Sigmoid: (),
    nn.Softmax: ("dim",),
    nn.Softplus: ("beta", "threshold"),
    nn.Softshrink: ("lambd",),
    nn.Softsign: (),
    nn.Tanh: (),
    nn.Tanhshrink: (),
    nn.Threshold: ("threshold", "value", "inplace"),
}
"""Layers that take vectors of any size and keep it, with the arguments that build them."""

_SIZED: Final[dict[type[nn.Module], tuple[str, ...]]] = {
    nn.BatchNorm1d: ("num_features", "eps", "momentum", "affine", "track_running_stats"),
    nn.GroupNorm: ("num_channels", "num_groups", "eps", "affine"),
    nn.LayerNorm: ("normalized_shape", "eps", "elementwise_affine", "bias"),
    nn.Linear: ("in_features", "out_features", "bias"),
}
"""Layers that take vectors of one size, which is the first of the arguments that build them."""

if hasattr(nn, "RMSNorm"):  # torch 2.4
    _SIZED[nn.RMSNorm] = ("normalized_shape", "eps", "elementwise_affine")

_ARGUMENTS: Final = {**_ELEMENTWISE, **_SIZED}
_LAYERS: Final = {layer.__name__: layer for layer in _ARGUMENTS}


def describe_layer(layer: nn.Module) -> dict[str, Any]:
    """Describe a layer by its name in the table and its arguments, weights left out.

    Args:
        layer: A linear layer, normalisation, dropout or activation of ``torch.nn``, or an
            :class:`~quaterion_core.modules.ActivationFromFnName`.

    Returns:
        ``{"layer": name, "config": arguments}``, made of JSON values.

    Raises:
        NotSavableError: The layer is not in the table, or it was modified so that its arguments
            alone do not rebuild it.

    Example:
        >>> describe_layer(nn.Linear(3, 2))
        {'layer': 'Linear', 'config': {'in_features': 3, 'out_features': 2, 'bias': True}}
    """
    name = type(layer).__name__
    if type(layer) not in _ARGUMENTS:
        raise NotSavableError(
            f"A module of the class {name} cannot be saved, since no configuration describes "
            "it. Make it a subclass of EncoderHead with get_config_dict(), or compose it "
            f"of these layers of torch.nn: {', '.join(sorted(_LAYERS))}."
        )
    config = {argument: _value(layer, argument) for argument in _ARGUMENTS[type(layer)]}
    description = {"layer": name, "config": config}
    with torch.device("meta"):
        rebuilt = build_layer(description)
    if _shapes(rebuilt) != _shapes(layer):
        raise NotSavableError(
            f"{layer} cannot be saved: expected the weights {_shapes(rebuilt)} from the arguments "
            f"{config}, got {_shapes(layer)}. Make the part that changes "
            "it a subclass of EncoderHead with get_config_dict()."
        )
    return description


def build_layer(description: dict[str, Any]) -> nn.Module:
    """Build a layer, with new weights, from what :func:`describe_layer` returned.

    Raises:
        ValueError: The description names no layer of the table, or an argument that the layer
            does not have.

    Example:
        >>> build_layer({"layer": "Softplus", "config": {"beta": 2.0}})
        Softplus(beta=2.0, threshold=20.0)
    """
    name, config = description.get("layer"), description.get("config")
    if not isinstance(name, str) or name not in _LAYERS or not isinstance(config, dict):
        raise ValueError(
            f"Expected a description of a layer, with 'layer' one of {', '.join(sorted(_LAYERS))} "
            f"and its arguments as 'config', got {description!r:.200}."
        )
    layer = _LAYERS[name]
    unknown = sorted(set(config) - set(_ARGUMENTS[layer]))
    if unknown:
        raise ValueError(
            f"{name} has no argument {', '.join(unknown)}; it has "
            f"{', '.join(_ARGUMENTS[layer]) or 'none'}."
        )
    return layer(**config)


def is_elementwise(module: nn.Module) -> bool:
    """Whether a module is known to take vectors of any size and to keep it.

    Example:
        >>> is_elementwise(nn.ReLU()), is_elementwise(nn.Linear(2, 2))
        (True, False)
    """
    return type(module) in _ELEMENTWISE


def layer_input_size(module: nn.Module) -> int | None:
    """Return the size of the vectors that a layer takes; ``None`` if it is not known.

    Example:
        >>> layer_input_size(nn.Linear(3, 2)), layer_input_size(nn.LayerNorm(5))
        (3, 5)
    """
    for layer, (size_argument, *_) in _SIZED.items():
        if isinstance(module, layer):
            size = getattr(module, size_argument)
            return int(size[-1] if isinstance(size, tuple) else size)
    return None


def _value(layer: nn.Module, argument: str) -> Any:
    value = getattr(layer, argument)
    if argument == "bias":  # given as a boolean, kept as a parameter or None
        return value is not None
    return list(value) if isinstance(value, tuple) else value


def _shapes(module: nn.Module) -> dict[str, list[int]]:
    return {name: list(value.shape) for name, value in module.state_dict().items()}


def affine_layer(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """Build a linear layer of given weights (D_out, D_in) and bias (D_out), which are copied.

    Example:
        >>> affine_layer(torch.eye(2), torch.ones(2))(torch.tensor([[1.0, 2.0]])).tolist()
        [[2.0, 3.0]]
    """
    with torch.device("meta"):
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer
