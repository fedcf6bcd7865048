"""Circle loss: pairs weighted by how far their similarity is from its optimum."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.loss.anchored_group_loss import AnchoredGroupLoss
from quaterion_core.utils.masked import masked_log_sum_exp


class CircleLoss(AnchoredGroupLoss):
    """Circle loss: pairs weighted by how far their similarity is from its optimum.

    With the similarities s_p of an anchor to its positives and s_n to its negatives::

        log( 1 + Σ exp(γ α_n (s_n - m)) Σ exp(-γ α_p (s_p - (1 - m))) )
        α_p = max(0, 1 + m - s_p),   α_n = max(0, s_n + m)

    averaged over the anchors that have both, with the margin m and the scale factor γ. The weights
    α are treated as constants in the gradient, as in equation 10.

    With a cross-batch memory, anchors come from the batch, positives and negatives from the memory.

    Source: Sun et al., Circle Loss: A Unified Perspective of Pair Similarity Optimization, CVPR
    2020, equations 6 to 10.

    Args:
        margin: Relaxation m: similarities to positives should exceed 1 - m, those to negatives be
            below m.
        scale_factor: Scale factor γ.
        distance_metric_name: Distance that defines the similarity s; the equations assume the
            cosine.

    Example:
        >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> loss = CircleLoss(margin=0.5, scale_factor=1.0)
        >>> loss(embeddings, torch.tensor([7, 7, 8]))  # log(1 + exp(-0.5²) exp(-0.5²)), twice
        tensor(0.4741)
    """

    def __init__(
        self,
        margin: float = 0.25,
        scale_factor: float = 256,
        distance_metric_name: Distance | str = Distance.COSINE,
    ):
        super().__init__(distance_metric_name)
        self.margin = margin
        self.scale_factor = scale_factor

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {
            **super().get_config_dict(),
            "margin": self.margin,
            "scale_factor": self.scale_factor,
        }

    def anchored_loss(
        self, anchors: Tensor, others: Tensor, positive: Tensor, negative: Tensor
    ) -> Tensor:
        """Compute the loss of anchors (N, D) against others (M, D); returns a scalar."""
        if positive.numel() == 0:
            return self.nothing_to_learn(anchors)
        similarities = self.distance_metric.similarity_matrix(anchors, others)
        with torch.no_grad():
            weights = torch.where(
                positive,
                F.relu(1 + self.margin - similarities).neg_(),
                F.relu(similarities + self.margin),
            ).mul_(self.scale_factor)
            optimum = torch.full_like(similarities, self.margin)
            optimum.masked_fill_(positive, 1 - self.margin)
        logits = weights * (similarities - optimum)
        of_positives = masked_log_sum_exp(logits, positive, dim=1)
        of_negatives = masked_log_sum_exp(logits, negative, dim=1)
        is_anchor = positive.any(dim=1) & negative.any(dim=1)
        losses = F.softplus(of_positives + of_negatives) * is_anchor
        return losses.sum() / is_anchor.sum().clamp(min=1)
