"""The identity head."""

from __future__ import annotations

from torch import Tensor, nn

from quaterion_core.heads.encoder_head import EncoderHead


class EmptyHead(EncoderHead):
    """Identity: ``y = x``.

    For models whose encoders are trained themselves, and as a baseline without a head. It has no
    weights; its only effect is dropout during training.

    Args:
        input_embedding_size: D, the size of both input and output.
        dropout: Probability of dropping each input value during training.

    Example:
        >>> import torch
        >>> EmptyHead(input_embedding_size=2)(torch.tensor([[1.0, 2.0]]))
        tensor([[1., 2.]])
    """

    @property
    def output_size(self) -> int:
        """D, the same as ``input_embedding_size``."""
        return self.input_embedding_size

    def transform(self, input_vectors: Tensor) -> Tensor:
        """Return the embeddings (N, D) unchanged."""
        return input_vectors

    def get_layers(self) -> list[nn.Module]:
        """Return no layers."""
        return []
