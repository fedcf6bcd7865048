"""Batch-hard triplet loss with a plain margin."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.loss.anchored_group_loss import AnchoredGroupLoss
from quaterion_core.loss.hardest_triplets import hardest_triplets
from quaterion_core.utils.ranges import NonNegativeFloat


class BatchHardTripletLoss(AnchoredGroupLoss):
    """Triplet loss over the furthest positive and the nearest negative of each anchor (batch-hard).

    With the distance d_p of an anchor to its furthest positive and d_n to its nearest negative, the
    mean over all anchors of::

        max(0, d_p - d_n + margin)

    Objects without a positive or without a negative are not anchors. Early in training, the hardest
    triplets can collapse all embeddings to one point, where the loss equals the margin.
    :class:`~quaterion_core.loss.TripletLoss` with ``mining="hard"`` divides the distances by their
    mean to prevent this.

    With a cross-batch memory, anchors come from the batch, positives and negatives from the memory.

    Source: Hermans, Beyer, Leibe, In Defense of the Triplet Loss for Person Re-Identification,
    2017, section 2, equation 5.

    Args:
        margin: Margin by which the distance to a negative should exceed that to a positive.
        distance_metric_name: Distance d. The paper uses the Euclidean distance.

    Raises:
        ValueError: ``margin`` is negative.

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[0.0], [1.0], [1.5]])
        >>> loss = BatchHardTripletLoss(margin=1.0)
        >>> loss(embeddings, torch.tensor([7, 7, 8]))  # (1 - 1.5 + 1 + 1 - 0.5 + 1) / 2
        tensor(1.)
    """

    def __init__(
        self,
        margin: NonNegativeFloat = 0.2,
        distance_metric_name: Distance | str = Distance.EUCLIDEAN,
    ):
        super().__init__(distance_metric_name)
        if margin < 0:
            raise ValueError(f"Expected a margin of at least 0, got {margin}.")
        self.margin = margin

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {**super().get_config_dict(), "margin": self.margin}

    def anchored_loss(
        self, anchors: Tensor, others: Tensor, positive: Tensor, negative: Tensor
    ) -> Tensor:
        """Compute the loss of anchors (N, D) against others (M, D); returns a scalar."""
        if positive.numel() == 0:
            return self.nothing_to_learn(anchors)
        to_positive, to_negative, is_anchor = hardest_triplets(
            self.distance_metric, anchors, others, positive, negative
        )
        losses = F.relu(to_positive - to_negative + self.margin) * is_anchor
        return losses.sum() / is_anchor.sum().clamp(min=1)
