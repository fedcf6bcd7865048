"""A head that projects embeddings to another size."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.utils.ranges import Count, DropoutRate


class LinearProjectionHead(EncoderHead):
    """One linear layer: ``y = W x + b``.

    Args:
        input_embedding_size: D_in.
        output_size: D_out.
        bias: Whether to add ``b``.
        dropout: Probability of dropping each input value during training.
        initial: Initial ``W``: ``"random"``, PyTorch's default, or ``"identity"``, with which
            training starts from the encoders' embeddings.

    Raises:
        ValueError: A size is not positive, or ``initial`` is not one of the two.

    Example:
        >>> import torch
        >>> LinearProjectionHead(input_embedding_size=4, output_size=2)(torch.ones(3, 4)).shape
        torch.Size([3, 2])
        >>> LinearProjectionHead(2, 2, initial="identity")(torch.tensor([[3.0, 4.0]])).tolist()
        [[3.0, 4.0]]
    """

    def __init__(
        self,
        input_embedding_size: Count,
        output_size: Count,
        bias: bool = True,
        dropout: DropoutRate = 0.0,
        initial: Literal["random", "identity"] = "random",
    ):
        super().__init__(input_embedding_size, dropout=dropout)
        if output_size < 1:
            raise ValueError(f"Expected output_size to be positive, got {output_size}.")
        if initial not in ("random", "identity"):
            raise ValueError(f"Expected initial to be 'random' or 'identity', got {initial!r}.")
        self.initial = initial
        self.projection = nn.Linear(input_embedding_size, output_size, bias=bias)
        if initial == "identity":
            nn.init.eye_(self.projection.weight)
            if bias:
                nn.init.zeros_(self.projection.bias)

    @property
    def output_size(self) -> int:
        """D_out, the number of rows of ``W``."""
        return self.projection.out_features

    def transform(self, input_vectors: Tensor) -> Tensor:
        """Project embeddings (N, D_in) to (N, D_out)."""
        projected: Tensor = self.projection(input_vectors)
        return projected

    def get_layers(self) -> list[nn.Module]:
        """Return the linear layer."""
        return [self.projection]

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this head, as JSON values."""
        return {
            **super().get_config_dict(),
            "output_size": self.output_size,
            "bias": self.projection.bias is not None,
            "initial": self.initial,
        }
