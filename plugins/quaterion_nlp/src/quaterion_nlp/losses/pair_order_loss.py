"""What the losses share that ask only for the order of the pairs of a batch."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.loss import PairwiseLoss
from quaterion_core.utils.masked import masked_log_sum_exp
from quaterion_core.utils.precision import embeddings_for_loss


class PairOrderLoss(PairwiseLoss):
    """Asks that a pair with a higher label is more similar than one with a lower label.

    With the labels y and the similarities s of the pairs of a batch::

        log( 1 + Σ exp(scale (s_j - s_i)) )    over all pairs i and j with y_i > y_j

    Which labels are higher is all that counts, not by how much. Where all labels are equal, the
    loss is 0. A subclass says what the similarity of a pair is. Subgroups are not looked at: what
    two pairs state can be compared whatever they are about.

    Args:
        scale: Factor of the similarities, 1/temperature.
        distance_metric_name: The distance that a subclass may take the similarity from.

    Raises:
        ValueError: ``scale`` is not positive.
    """

    def __init__(self, scale: float = 20.0, distance_metric_name: Distance | str = Distance.COSINE):
        super().__init__(distance_metric_name)
        if scale <= 0:
            raise ValueError(f"Expected scale to be positive, got {scale}.")
        self.scale = scale

    @abstractmethod
    def pair_similarities(self, x: Tensor, y: Tensor) -> Tensor:
        """Return how similar paired rows are: (B, D) and (B, D), at least float32, to (B,)."""

    def forward(
        self, embeddings: Tensor, pairs: Tensor, labels: Tensor, subgroups: Tensor, **kwargs: Any
    ) -> Tensor:
        """Compute the loss of a batch.

        Args:
            embeddings: Shape (N, D).
            pairs: Rows of ``embeddings`` that form each pair, shape (B, 2).
            labels: How similar the objects of each pair are, on any scale, shape (B,).
            subgroups: Subgroup of each object, shape (N,), int64; not looked at.
            **kwargs: Other targets, ignored.

        Returns:
            A scalar; 0 if all labels are equal.
        """
        self.check_batch(embeddings, pairs, labels, subgroups)
        embeddings = embeddings_for_loss(embeddings)
        if not len(pairs):
            return self.nothing_to_learn(embeddings)
        rows_a, rows_b = pairs.unbind(dim=1)
        logits = self.scale * self.pair_similarities(embeddings[rows_a], embeddings[rows_b])
        should_be_above = labels.unsqueeze(1) > labels
        excess = logits - logits.unsqueeze(1)
        return F.softplus(masked_log_sum_exp(excess, should_be_above, dim=(0, 1)))
