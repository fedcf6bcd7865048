"""CosFace loss: cross-entropy over groups with a margin on the cosine."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from quaterion_core.loss.group_classification_loss import GroupClassificationLoss
from quaterion_core.utils.ranges import Count, PositiveFloat


class CosFaceLoss(GroupClassificationLoss):
    """Cross-entropy over groups with an additive margin on the cosine (CosFace).

    With the cosine cos θ_j between an embedding of group y and the weight vector of group j, this
    is the cross-entropy of the logits::

        scale (cos θ_y - margin)  for j = y
        scale cos θ_j             for j ≠ y

    averaged over the batch.

    Source: Wang et al., CosFace: Large Margin Cosine Loss for Deep Face Recognition, CVPR 2018,
    section 3.1, equation 4.

    Args:
        embedding_size: Embedding size D.
        num_groups: Number of groups in the training data.
        margin: Margin by which the cosine with the own group should exceed the others.
        scale: Factor of the cosines.

    Raises:
        ValueError: A size or the scale is not positive.

    Example:
        >>> import torch
        >>> loss = CosFaceLoss(embedding_size=2, num_groups=2, margin=0.5, scale=1.0)
        >>> _ = torch.nn.init.eye_(loss.weight)
        >>> value = loss(torch.eye(2), torch.tensor([7, 8]))  # log(1 + exp(0 - (1 - 0.5)))
        >>> round(value.item(), 4)
        0.4741
    """

    def __init__(
        self,
        embedding_size: Count,
        num_groups: Count,
        margin: float = 0.35,
        scale: PositiveFloat = 64.0,
    ):
        super().__init__(embedding_size, num_groups)
        if scale <= 0:
            raise ValueError(f"Expected scale to be positive, got {scale}.")
        self.margin = margin
        self.scale = scale

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {**super().get_config_dict(), "margin": self.margin, "scale": self.scale}

    def logits(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """Return the scaled cosines with the margin on each own group, shape (N, C)."""
        cosines = self.distance_metric.similarity_matrix(embeddings, self.weight)
        own = rows.clamp(min=0).unsqueeze(1)
        margin = cosines.new_full(own.shape, -self.margin)
        return self.scale * cosines.scatter_add(1, own, margin)
