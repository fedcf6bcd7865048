"""A head of several linear layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.modules import ActivationFromFnName
from quaterion_core.utils.ranges import Count, DropoutRate


class StackedProjectionHead(EncoderHead):
    """A multilayer perceptron: ``y = W_n f(... f(W_1 x + b_1) ...) + b_n``.

    The activation ``f`` is applied between the linear layers only, so that the output is
    unbounded.

    Args:
        input_embedding_size: D_in.
        output_sizes: Output size of each linear layer; the last one is D_out.
        activation_fn: ``f``, a name that
            :class:`~quaterion_core.modules.ActivationFromFnName` knows.
        dropout: Probability of dropping each input value during training.

    Raises:
        ValueError: There are no output sizes, one is not positive, or the activation is unknown.

    Example:
        >>> import torch
        >>> StackedProjectionHead(input_embedding_size=8, output_sizes=[16, 4])
        StackedProjectionHead(
          (dropout): Identity()
          (layers): Sequential(
            (0): Linear(in_features=8, out_features=16, bias=True)
            (1): ActivationFromFnName(relu)
            (2): Linear(in_features=16, out_features=4, bias=True)
          )
        )
    """

    def __init__(
        self,
        input_embedding_size: Count,
        output_sizes: Sequence[int],
        activation_fn: str = "relu",
        dropout: DropoutRate = 0.0,
    ):
        super().__init__(input_embedding_size, dropout=dropout)
        if not output_sizes or min(output_sizes) < 1:
            raise ValueError(
                "Expected output_sizes to hold at least one size, all of them positive, got "
                f"{list(output_sizes)}."
            )
        self.output_sizes = list(output_sizes)
        self.activation_fn = activation_fn
        layers: list[nn.Module] = []
        for size_in, size_out in pairwise([input_embedding_size, *output_sizes]):
            layers += [nn.Linear(size_in, size_out), ActivationFromFnName(activation_fn)]
        self.layers = nn.Sequential(*layers[:-1])

    @property
    def output_size(self) -> int:
        """D_out, the last of the output sizes."""
        return self.output_sizes[-1]

    def transform(self, input_vectors: Tensor) -> Tensor:
        """Map embeddings (N, D_in) to (N, D_out)."""
        projected: Tensor = self.layers(input_vectors)
        return projected

    def get_layers(self) -> list[nn.Module]:
        """Return the linear layers and the activations between them."""
        return list(self.layers)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this head, as JSON values."""
        return {
            **super().get_config_dict(),
            "output_sizes": self.output_sizes,
            "activation_fn": self.activation_fn,
        }
