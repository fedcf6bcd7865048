"""Batch-norm neck: a head that normalises each dimension over the batch."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from quaterion_core.heads import EncoderHead
from quaterion_core.utils.ranges import Count, DropoutRate


class BNNeckHead(EncoderHead):
    """Batch-norm neck: ``y = weight · (x - mean) / √(variance + ε)``, for each dimension.

    Placed between the features of an image encoder and an angular classification loss (softmax,
    ArcFace, CosFace), it centres the features at the origin, which makes angles more informative.
    It has no bias, which would shift them away again.

    During training, the mean and variance are those of the batch, and running averages are kept.
    In evaluation and serving, the running averages are used, which are saved with the head, so
    that an embedding does not depend on its batch. A training batch of a single object has no
    variance and is normalised as in evaluation. With several processes, pass
    ``sync_batchnorm=True`` to Lightning; otherwise each process normalises by its own batch.

    Source: Luo et al., Bag of Tricks and a Strong Baseline for Deep Person Re-Identification, CVPR
    Workshops 2019, section 3.5; Ioffe, Szegedy, Batch Normalization, ICML 2015, algorithm 1.

    Args:
        input_embedding_size: Size D of input and output.
        dropout: Probability of dropping each input value during training.

    Raises:
        ValueError: The size is not positive, or the probability is not in [0, 1).

    Example:
        >>> import torch
        >>> head = BNNeckHead(input_embedding_size=1)
        >>> head(torch.tensor([[1.0], [3.0]])).detach()
        tensor([[-1.0000],
                [ 1.0000]])
    """

    def __init__(self, input_embedding_size: Count, dropout: DropoutRate = 0.0):
        super().__init__(input_embedding_size, dropout=dropout)
        self.norm = nn.BatchNorm1d(input_embedding_size)
        self.norm.register_parameter("bias", None)

    @property
    def output_size(self) -> int:
        """D, the same as ``input_embedding_size``."""
        return self.input_embedding_size

    def transform(self, input_vectors: Tensor) -> Tensor:
        """Normalise embeddings (N, D)."""
        norm = self.norm
        has_no_variance = len(input_vectors) < 2 and isinstance(norm, nn.BatchNorm1d)
        if not has_no_variance:
            normalized: Tensor = norm(input_vectors)
            return normalized
        return F.batch_norm(
            input_vectors, norm.running_mean, norm.running_var, norm.weight, eps=norm.eps
        )

    def get_layers(self) -> list[nn.Module]:
        """Return the batch normalisation."""
        return [self.norm]
