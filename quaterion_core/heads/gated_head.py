"""A head that scales each value of an embedding by a learned gate."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.modules.layers import affine_layer
from quaterion_core.utils.ranges import Count, DropoutRate


class GatedHead(EncoderHead):
    """Elementwise gate on the embedding: ``y = x · tanh(gate)``.

    Only the D gates are learned, one per value: the head can suppress values or flip their sign,
    but cannot mix them, which makes it hard to overfit on little data. The gates start almost
    open: tanh(2) = 0.96.

    Args:
        input_embedding_size: D, the size of both input and output.
        dropout: Probability of dropping each input value during training.

    Example:
        >>> import torch
        >>> GatedHead(input_embedding_size=2)(torch.tensor([[1.0, -10.0]]))
        tensor([[ 0.9640, -9.6403]], grad_fn=<MulBackward0>)
    """

    def __init__(self, input_embedding_size: Count, dropout: DropoutRate = 0.0):
        super().__init__(input_embedding_size, dropout=dropout)
        self.gates = nn.Parameter(torch.empty(input_embedding_size))
        self.reset_parameters()

    @property
    def output_size(self) -> int:
        """D, the same as ``input_embedding_size``."""
        return self.input_embedding_size

    def transform(self, input_vectors: Tensor) -> Tensor:
        """Scale embeddings (N, D) by the gates."""
        return input_vectors * torch.tanh(self.gates)

    def reset_parameters(self) -> None:
        """Set all gates to 2 (almost open)."""
        nn.init.constant_(self.gates, 2.0)

    def get_layers(self) -> list[nn.Module]:
        """Return a linear layer whose weight has the gates on its diagonal."""
        return [affine_layer(torch.diag(torch.tanh(self.gates)))]
