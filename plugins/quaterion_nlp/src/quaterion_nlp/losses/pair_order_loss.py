"""Base class of losses that depend on the order of the labels of a batch."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.loss import PairwiseLoss
from quaterion_core.utils.masked import masked_log_sum_exp
from quaterion_core.utils.precision import embeddings_for_loss
from quaterion_core.utils.ranges import PositiveFloat


class PairOrderLoss(PairwiseLoss):
    """Base class of losses for which pairs with higher labels should be more similar.

    With the labels y and the similarities s of the pairs of a batch::

        log( 1 + Σ exp(scale (s_j - s_i)) )    over all pairs i and j with y_i > y_j

    Only the order of the labels matters, not their differences. If all labels are equal, the loss
    is 0. Subclasses define the similarity of a pair. Subgroups are ignored, as any two pairs can be
    compared.

    Args:
        scale: Factor of the similarities, 1/temperature.
        distance_metric_name: Distance whose similarity a subclass may use.

    Raises:
        ValueError: ``scale`` is not positive.
    """

    def __init__(
        self, scale: PositiveFloat = 20.0, distance_metric_name: Distance | str = Distance.COSINE
    ):
        super().__init__(distance_metric_name)
        if scale <= 0:
            raise ValueError(f"Expected scale to be positive, got {scale}.")
        self.scale = scale

    @abstractmethod
    def pair_similarities(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the similarities of paired rows (B, D), at least float32; shape (B,)."""

    def forward(
        self, embeddings: Tensor, pairs: Tensor, labels: Tensor, subgroups: Tensor, **kwargs: Any
    ) -> Tensor:
        """Compute the loss of a batch.

        Args:
            embeddings: Shape (N, D).
            pairs: Rows of ``embeddings`` that form each pair, shape (B, 2).
            labels: How similar the objects of each pair are, on any scale, shape (B,).
            subgroups: Subgroup of each object, shape (N,), int64; ignored.
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
