"""Small modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch.nn.functional as F
from torch import Tensor, nn

from quaterion_core.utils.utils import l2_norm

_ACTIVATIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "celu": F.celu,
    "elu": F.elu,
    "gelu": F.gelu,
    "hardshrink": F.hardshrink,
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "hardtanh": F.hardtanh,
    "leaky_relu": F.leaky_relu,
    "logsigmoid": F.logsigmoid,
    "mish": F.mish,
    "relu": F.relu,
    "relu6": F.relu6,
    "selu": F.selu,
    "sigmoid": F.sigmoid,
    "silu": F.silu,
    "softplus": F.softplus,
    "softshrink": F.softshrink,
    "softsign": F.softsign,
    "tanh": F.tanh,
    "tanhshrink": F.tanhshrink,
}


class ActivationFromFnName(nn.Module):
    """Activation function of ``torch.nn.functional``, chosen by name.

    Args:
        activation_fn: ``"relu"``, ``"gelu"``, ``"tanh"``, ... Its other arguments have
            PyTorch's default values.

    Raises:
        ValueError: There is no activation function of that name; the message lists all of them.

    Example:
        >>> import torch
        >>> ActivationFromFnName("relu")(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def __init__(self, activation_fn: str):
        super().__init__()
        if activation_fn not in _ACTIVATIONS:
            raise ValueError(
                f"There is no activation function {activation_fn!r}; choose one of "
                f"{', '.join(_ACTIVATIONS)}."
            )
        self.activation_fn = activation_fn

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the activation function to each value; the shape is unchanged."""
        return _ACTIVATIONS[self.activation_fn](inputs)

    def extra_repr(self) -> str:
        """Name the function where the module is printed."""
        return self.activation_fn


class UnitLength(nn.Module):
    """Scale vectors (N, D) to the length 1; those shorter than 1e-12 become zero.

    Example:
        >>> import torch
        >>> UnitLength()(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Scale each row."""
        return l2_norm(inputs, dim=-1)
