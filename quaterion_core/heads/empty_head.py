"""A head that changes nothing."""

from __future__ import annotations

from torch import Tensor

from quaterion_core.heads.encoder_head import EncoderHead


class EmptyHead(EncoderHead):
    """Returns the embeddings of the encoders as they are: ``y = x``.

    For models whose encoders are trained themselves, and to measure what encoders do without a
    head. It has no weights; its only effect is dropout in training.

    Args:
        input_embedding_size: D, the size of both input and output.
        dropout: Probability with which each input value is dropped in training.

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
        """Return the embeddings (N, D) themselves."""
        return input_vectors
