"""A head that normalises each value of an embedding over the batch."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from quaterion_core.heads import EncoderHead


class BNNeckHead(EncoderHead):
    """The batch-norm neck: ``y = weight · (x - mean) / √(variance + ε)``, for each value.

    Between the features of an image encoder and a loss that classifies by angle (softmax, ArcFace,
    CosFace), it spreads the features around the origin, so that angles tell more. It adds no shift
    of its own, which would move them away from there again.

    In training, mean and variance are those of the batch, and a running mean of both is kept. In
    evaluation and serving they are the running ones, which are saved with the head, so that an
    embedding does not depend on its batch. A training batch of a single object has no variance:
    it is normalised as in evaluation. In several processes give Lightning ``sync_batchnorm=True``:
    each process normalises by its own batch otherwise.

    Source: Luo et al., Bag of Tricks and a Strong Baseline for Deep Person Re-Identification, CVPR
    Workshops 2019, section 3.5; Ioffe, Szegedy, Batch Normalization, ICML 2015, algorithm 1.

    Args:
        input_embedding_size: D, the size of both input and output.
        dropout: Probability with which each input value is dropped in training.

    Raises:
        ValueError: The size is not positive, or the probability not in [0, 1).

    Example:
        >>> import torch
        >>> head = BNNeckHead(input_embedding_size=1)
        >>> head(torch.tensor([[1.0], [3.0]])).detach()
        tensor([[-1.0000],
                [ 1.0000]])
    """

    def __init__(self, input_embedding_size: int, dropout: float = 0.0):
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
