"""The layers of a head as modules of sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from sentence_transformers.sentence_transformer.modules import Dense, LayerNorm, Normalize
from torch import Tensor, nn

from quaterion_core.modules import ActivationFromFnName, UnitLength
from quaterion_serving.export.graph import ExportError

_ACTIVATIONS: Final = (
    nn.CELU, nn.ELU, nn.GELU, nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh,
    nn.LeakyReLU, nn.LogSigmoid, nn.Mish, nn.ReLU, nn.ReLU6, nn.SELU, nn.SiLU, nn.Sigmoid,
    nn.Softplus, nn.Softshrink, nn.Softsign, nn.Tanh, nn.Tanhshrink,
)  # fmt: skip
_BY_NAME: Final = {activation.__name__.lower(): activation for activation in _ACTIVATIONS}


def sentence_transformer_modules(
    layers: Sequence[nn.Module], size: int, owner: str
) -> list[nn.Module]:
    """Return modules of sentence-transformers that do what layers do in evaluation.

    Linear layers that follow each other become one ``Dense``, and a batch normalisation, which is
    linear in evaluation, a part of it.

    Args:
        layers: The layers.
        size: Size of the embeddings that they take.
        owner: The head that they are of, for the error.

    Raises:
        ExportError: A layer has no counterpart; the error names it.
    """
    modules: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, (nn.Identity, nn.Dropout, nn.AlphaDropout)):
            continue
        if isinstance(layer, nn.Linear):
            _add_linear(modules, layer.weight, layer.bias)
        elif isinstance(layer, nn.BatchNorm1d):
            _add_linear(modules, *_affine(layer, owner))
        elif isinstance(layer, UnitLength):
            modules.append(Normalize())
        elif (activation := _activation(layer)) is not None:
            _add_activation(modules, activation, _size(modules, size))
        elif isinstance(layer, nn.LayerNorm):
            modules.append(_layer_norm(layer, owner))
        else:
            raise _no_counterpart(layer, owner)
    return modules


def _no_counterpart(layer: nn.Module, owner: str) -> ExportError:
    return ExportError(
        f"The layer {layer} of the head {owner} has no counterpart in sentence-transformers. "
        "Export the model with --to onnx."
    )


def _size(modules: Sequence[nn.Module], size: int) -> int:
    """Return the size of the embeddings that modules give."""
    sizes = [module.out_features for module in modules if isinstance(module, Dense)]
    return sizes[-1] if sizes else size


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, Dense) and isinstance(module.activation_function, nn.Identity)


def _add_linear(modules: list[nn.Module], weight: Tensor, bias: Tensor | None) -> None:
    """Add ``W x + b``, or apply it to the linear module at the end."""
    weight = weight.detach().double()
    bias = None if bias is None else bias.detach().double()
    if modules and _is_linear(modules[-1]):
        before = modules.pop()
        assert isinstance(before, Dense)
        inner = before.linear.bias
        if inner is not None:
            moved = weight @ inner.detach().double()
            bias = moved if bias is None else bias + moved
        weight = weight @ before.linear.weight.detach().double()
    dense = Dense(
        weight.shape[1], weight.shape[0], bias=bias is not None, activation_function=nn.Identity()
    )
    dense.linear.weight.data.copy_(weight)
    if bias is not None:
        dense.linear.bias.data.copy_(bias)
    modules.append(dense)


def _affine(norm: nn.BatchNorm1d, owner: str) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a batch normalisation in evaluation."""
    if norm.running_mean is None or norm.running_var is None:
        raise _no_counterpart(norm, owner)
    scale = 1 / torch.sqrt(norm.running_var.double() + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.detach().double()
    shift = -norm.running_mean.double() * scale
    if norm.bias is not None:
        shift = shift + norm.bias.detach().double()
    return torch.diag(scale), shift


def _activation(layer: nn.Module) -> nn.Module | None:
    """Return an activation by its class alone, if it has the arguments of the default."""
    if isinstance(layer, ActivationFromFnName):
        found = _BY_NAME.get(layer.activation_fn.replace("_", ""))
        return None if found is None else found()
    if type(layer) not in _ACTIVATIONS:
        return None
    plain: nn.Module = type(layer)()
    return plain if _arguments(plain) == _arguments(layer) else None


def _arguments(layer: nn.Module) -> list[str]:
    """Return the arguments of an activation, except whether it overwrites its input."""
    return [part for part in layer.extra_repr().split(", ") if part not in ("", "inplace=True")]


def _add_activation(modules: list[nn.Module], activation: nn.Module, size: int) -> None:
    if not modules or not _is_linear(modules[-1]):
        _add_linear(modules, torch.eye(size), None)
    dense = modules[-1]
    assert isinstance(dense, Dense)
    dense.activation_function = activation


def _layer_norm(layer: nn.LayerNorm, owner: str) -> nn.Module:
    module = LayerNorm(layer.normalized_shape[0])
    same = (len(layer.normalized_shape), layer.eps) == (1, module.norm.eps)
    if not same or layer.weight is None or layer.bias is None:
        raise _no_counterpart(layer, owner)
    module.norm.load_state_dict(layer.state_dict())
    return module
