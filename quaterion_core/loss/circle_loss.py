"""Circle loss."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.loss.anchored_group_loss import AnchoredGroupLoss
from quaterion_core.utils.masked import masked_log_sum_exp
from quaterion_core.utils.precision import at_least_float32
from quaterion_core.utils.utils import get_anchor_negative_mask, get_anchor_positive_mask


class CircleLoss(AnchoredGroupLoss):
    """Raises the similarity of positive pairs and lowers that of negative ones, the worst first.

    With the similarities s_p of positive pairs and s_n of negative pairs, each pair of the batch
    counted once::

        log( 1 + Σ exp(γ α_n (s_n - m)) Σ exp(-γ α_p (s_p - (1 - m))) )
        α_p = max(0, 1 + m - s_p),   α_n = max(0, s_n + m)

    with the margin m and the scale factor γ. The weights α are constants for the gradient, as in
    equation 10. Without a positive or without a negative pair the loss is 0.

    Against a memory, a pair is an object of the batch and one of the memory.

    Source: Sun et al., Circle Loss: A Unified Perspective of Pair Similarity Optimization, CVPR
    2020, equations 6 to 10.

    Args:
        margin: m, the relaxation: positives should reach 1 - m, negatives stay below m.
        scale_factor: γ.
        distance_metric_name: The distance whose similarity is s; the equations are made for the
            cosine.

    Example:
        >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> loss = CircleLoss(margin=0.5, scale_factor=1.0)
        >>> loss(embeddings, torch.tensor([7, 7, 8]))  # log(1 + 2 exp(-0.5²) exp(-0.5²))
        tensor(0.7944)
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
        """Return the arguments that build this loss again, as JSON values."""
        return {
            **super().get_config_dict(),
            "margin": self.margin,
            "scale_factor": self.scale_factor,
        }

    def forward(self, embeddings: Tensor, groups: Tensor, **kwargs: Any) -> Tensor:
        """Compute the loss of embeddings (N, D) and their groups (N,); returns a scalar."""
        self.check_batch(embeddings, groups)
        embeddings = at_least_float32(embeddings)
        positive, negative = get_anchor_positive_mask(groups), get_anchor_negative_mask(groups)
        return self.anchored_loss(embeddings, embeddings, positive.triu_(1), negative.triu_(1))

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
            optimum = torch.where(positive, 1 - self.margin, self.margin)
        logits = weights * (similarities - optimum)
        of_positives = masked_log_sum_exp(logits, positive, dim=(0, 1))
        of_negatives = masked_log_sum_exp(logits, negative, dim=(0, 1))
        return F.softplus(of_positives + of_negatives)
