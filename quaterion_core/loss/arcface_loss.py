"""ArcFace loss: cross-entropy over groups with an angular margin."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from quaterion_core.loss.group_classification_loss import GroupClassificationLoss
from quaterion_core.utils.ranges import Count, PositiveFloat


class ArcFaceLoss(GroupClassificationLoss):
    """Cross-entropy over groups with an additive angular margin (ArcFace).

    With the angle θ_j between an embedding of group y and the weight vector of group j, this is the
    cross-entropy of the logits::

        scale cos(θ_y + margin)  for j = y
        scale cos θ_j            for j ≠ y

    averaged over the batch. Where θ_y + margin exceeds π, its cosine would rise again; cos θ_y -
    margin sin(margin) is used there, so that a larger angle always has a larger loss. At θ_y = 0,
    where the angle is not differentiable, the gradient is that of cos(margin) cos θ_y.

    Source: Deng, Guo, Xue, Zafeiriou, ArcFace: Additive Angular Margin Loss for Deep Face
    Recognition, CVPR 2019, section 2.1, equation 3.

    Args:
        embedding_size: Embedding size D.
        num_groups: Number of groups in the training data.
        scale: Factor of the cosines.
        margin: Angular margin in radians.

    Raises:
        ValueError: A size or the scale is not positive, or the margin is not in [0, π].

    Example:
        >>> loss = ArcFaceLoss(embedding_size=2, num_groups=2, scale=1.0, margin=0.5)
        >>> _ = torch.nn.init.eye_(loss.weight)
        >>> value = loss(torch.eye(2), torch.tensor([7, 8]))  # log(1 + exp(0 - cos(0.5)))
        >>> round(value.item(), 4)
        0.3477
    """

    def __init__(
        self,
        embedding_size: Count,
        num_groups: Count,
        scale: PositiveFloat = 64.0,
        margin: float = 0.5,
    ):
        super().__init__(embedding_size, num_groups)
        if scale <= 0:
            raise ValueError(f"Expected scale to be positive, got {scale}.")
        if not 0 <= margin <= math.pi:
            raise ValueError(f"Expected margin to be an angle in [0, π] radians, got {margin}.")
        self.scale = scale
        self.margin = margin

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {**super().get_config_dict(), "scale": self.scale, "margin": self.margin}

    def logits(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """Return the scaled cosines with the margin on each own group, shape (N, C)."""
        cosines = self.cosines(embeddings)
        own = rows.clamp(min=0).unsqueeze(1)
        return self.scale * cosines.scatter(1, own, self._with_margin(cosines.gather(1, own)))

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Return the cosines of embeddings (N, D) with all groups, shape (N, C)."""
        return self.distance_metric.similarity_matrix(embeddings, self.weight)

    def _with_margin(self, cosine: Tensor) -> Tensor:
        # cos(θ + m) = cos θ cos m - sin θ sin m. The slope of sin θ = √(1 - cos² θ) is infinite at
        # θ = 0, so angles that rounding makes 0 are excluded from the root.
        squared_sine = 1 - cosine.square()
        is_angle = squared_sine > torch.finfo(cosine.dtype).eps
        sine = squared_sine.where(is_angle, 1.0).sqrt() * is_angle
        moved = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        is_below_pi = cosine >= math.cos(math.pi - self.margin)
        return torch.where(is_below_pi, moved, cosine - self.margin * math.sin(self.margin))
