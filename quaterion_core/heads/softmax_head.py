"""A head whose embeddings are probability distributions."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.utils.ranges import Count, DropoutRate


class SoftmaxEmbeddingsHead(EncoderHead):
    """G softmax distributions over S values each: ``y_g = softmax(W_g x + b_g)``, concatenated.

    Each group of S values is positive and sums to 1: a distribution over S latent classes, which
    are learned.

    The embedding carries its own confidence. With ``groups = y.reshape(-1, G, S)``, the largest
    probability of a group, ``groups.max(-1)``, is 1/S where the head is undecided and close to 1
    where it is certain; the mean over the groups is the confidence of the embedding, as in the
    example. The entropy of the groups, from log S down to 0, is an alternative.

    Args:
        output_groups: G.
        output_size_per_group: S.
        input_embedding_size: D_in.
        dropout: Probability of dropping each input value during training.

    Raises:
        ValueError: A size is not positive.

    Example:
        >>> import torch
        >>> head = SoftmaxEmbeddingsHead(
        ...     output_groups=3, output_size_per_group=4, input_embedding_size=8
        ... )
        >>> embeddings = head(torch.ones(5, 8))
        >>> groups = embeddings.reshape(-1, 3, 4)
        >>> groups.sum(-1).allclose(torch.ones(5, 3))
        True
        >>> confidence = groups.max(-1).values.mean(-1)
        >>> confidence.shape
        torch.Size([5])
    """

    def __init__(
        self,
        output_groups: Count,
        output_size_per_group: Count,
        input_embedding_size: Count,
        dropout: DropoutRate = 0.0,
    ):
        super().__init__(input_embedding_size, dropout=dropout)
        if output_groups < 1 or output_size_per_group < 1:
            raise ValueError(
                "Expected output_groups and output_size_per_group to be positive, got "
                f"{output_groups} and {output_size_per_group}."
            )
        self.output_groups = output_groups
        self.output_size_per_group = output_size_per_group
        self.projection = nn.Linear(input_embedding_size, output_groups * output_size_per_group)

    @property
    def output_size(self) -> int:
        """D_out = G · S."""
        return self.output_groups * self.output_size_per_group

    def transform(self, input_vectors: Tensor) -> Tensor:
        """Map embeddings (N, D_in) to distributions (N, G · S)."""
        logits: Tensor = self.projection(input_vectors)
        groups = logits.reshape(-1, self.output_groups, self.output_size_per_group)
        return groups.softmax(dim=-1).reshape(logits.shape)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this head, as JSON values."""
        return {
            **super().get_config_dict(),
            "output_groups": self.output_groups,
            "output_size_per_group": self.output_size_per_group,
        }
