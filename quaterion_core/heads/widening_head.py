"""A head that widens embeddings and projects them back."""

from __future__ import annotations

from typing import Any

from quaterion_core.heads.stacked_projection_head import StackedProjectionHead
from quaterion_core.utils.ranges import Count, DropoutRate


class WideningHead(StackedProjectionHead):
    """Feed-forward block with a wider hidden layer: ``y = W_2 f(W_1 x + b_1) + b_2``.

    The shape of the feed-forward layer of a transformer (Vaswani et al., "Attention Is All You
    Need", NeurIPS 2017, eq. 2).

    Args:
        input_embedding_size: D, the size of both input and output.
        expansion_factor: The inner size is ``int(expansion_factor * D)``.
        activation_fn: ``f``, a name that
            :class:`~quaterion_core.modules.ActivationFromFnName` knows.
        dropout: Probability of dropping each input value during training.

    Raises:
        ValueError: The inner size would be less than 1, or the activation is unknown.

    Example:
        >>> import torch
        >>> head = WideningHead(input_embedding_size=8, expansion_factor=2.0)
        >>> head(torch.ones(3, 8)).shape, head.output_sizes
        (torch.Size([3, 8]), [16, 8])
    """

    def __init__(
        self,
        input_embedding_size: Count,
        expansion_factor: float = 4.0,
        activation_fn: str = "relu",
        dropout: DropoutRate = 0.0,
    ):
        inner_size = int(expansion_factor * input_embedding_size)
        if inner_size < 1:
            raise ValueError(
                f"expansion_factor {expansion_factor} gives an inner size of 0 for embeddings of "
                f"size {input_embedding_size}. Expected at least 1 / input_embedding_size."
            )
        super().__init__(
            input_embedding_size,
            output_sizes=[inner_size, input_embedding_size],
            activation_fn=activation_fn,
            dropout=dropout,
        )
        self.expansion_factor = expansion_factor

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this head, as JSON values."""
        config = super().get_config_dict()
        del config["output_sizes"]
        return {**config, "expansion_factor": self.expansion_factor}
