"""Contrastive loss over the pairs within a batch of groups."""

from __future__ import annotations

import math
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.loss.anchored_group_loss import AnchoredGroupLoss

_MININGS: Final = ("all", "hard")


class OnlineContrastiveLoss(AnchoredGroupLoss):
    """Contrastive loss over all or the hardest pairs of a batch of groups.

    With distances d, the loss is::

        1/2 (mean of d over positive pairs + mean of max(0, margin - d) over negative pairs)

    over all pairs of the batch (``"all"``), or over the furthest positive and the nearest negative
    of each object (``"hard"``). An object is never its own positive or negative. A mean over no
    pairs is 0.

    With a cross-batch memory, each pair has one object of the batch and one of the memory.

    Source: Hadsell, Chopra, LeCun, Dimensionality Reduction by Learning an Invariant Mapping, CVPR
    2006, section 2, with distances instead of their squares.

    Args:
        margin: Distance from which objects of different groups have no loss.
        distance_metric_name: Distance d.
        mining: ``"all"`` or ``"hard"``.

    Raises:
        ValueError: ``mining`` is neither of these.

    Example:
        >>> embeddings = torch.tensor([[0.0], [1.0], [1.5]])
        >>> loss = OnlineContrastiveLoss(margin=1.0, distance_metric_name="euclidean")
        >>> loss(embeddings, torch.tensor([7, 7, 8]))  # 1/2 ((1 + 1)/2 + (0 + 0.5 + 0.5)/3)
        tensor(0.6667)
    """

    def __init__(
        self,
        margin: float = 0.5,
        distance_metric_name: Distance | str = Distance.COSINE,
        mining: str = "hard",
    ):
        super().__init__(distance_metric_name)
        if mining not in _MININGS:
            raise ValueError(f"Expected mining to be one of {', '.join(_MININGS)}, got {mining!r}.")
        self.margin = margin
        self.mining = mining

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {**super().get_config_dict(), "margin": self.margin, "mining": self.mining}

    def anchored_loss(
        self, anchors: Tensor, others: Tensor, positive: Tensor, negative: Tensor
    ) -> Tensor:
        """Compute the loss of anchors (N, D) against others (M, D); returns a scalar."""
        if positive.numel() == 0:
            return self.nothing_to_learn(anchors)
        if self.mining == "hard":
            return self._hard_loss(anchors, others, positive, negative)
        return self._loss_of_all(anchors, others, positive, negative)

    def _loss_of_all(
        self, anchors: Tensor, others: Tensor, positive: Tensor, negative: Tensor
    ) -> Tensor:
        distances = self.distance_metric.distance_matrix(anchors, others)
        with torch.no_grad():
            # The loss is linear in the distances, with weights that are known in advance.
            too_near = negative & (distances < self.margin)
            positive_share = 0.5 / positive.sum().clamp(min=1).to(distances.dtype)
            negative_share = 0.5 / negative.sum().clamp(min=1).to(distances.dtype)
            weights = torch.zeros_like(distances)
            weights.masked_fill_(positive, positive_share).masked_fill_(too_near, -negative_share)
        return (weights * distances).sum() + self.margin * negative_share * too_near.sum()

    def _hard_loss(
        self, anchors: Tensor, others: Tensor, positive: Tensor, negative: Tensor
    ) -> Tensor:
        with torch.no_grad():
            distances = self.distance_metric.distance_matrix(anchors, others)
            hardest_positive = distances.masked_fill(~positive, -math.inf).argmax(dim=1)
            hardest_negative = distances.masked_fill(~negative, math.inf).argmin(dim=1)
        # Only the selected distances need gradients, so the matrix is computed without a graph.
        to_positive = self.distance_metric.distance(anchors, others[hardest_positive])
        to_negative = self.distance_metric.distance(anchors, others[hardest_negative])
        return 0.5 * (
            _mean_where(positive.any(dim=1), to_positive)
            + _mean_where(negative.any(dim=1), F.relu(self.margin - to_negative))
        )


def _mean_where(mask: Tensor, values: Tensor) -> Tensor:
    """Return the mean of the values selected by a mask, or 0 if there are none."""
    return (values * mask).sum() / mask.sum().clamp(min=1)
