"""Sub-center ArcFace loss: ArcFace with several weight vectors per group."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from quaterion_core.loss import ArcFaceLoss
from quaterion_core.utils.ranges import Count, PositiveFloat


class SubCenterArcFaceLoss(ArcFaceLoss):
    """ArcFace loss with several weight vectors per group, of which the nearest is used.

    With the weight vectors W_j1 to W_jK of group j, the angle between an embedding x and the group
    is that of the nearest of them::

        cos θ_j = max over k of cos(x, W_jk)

    and the loss is that of :class:`~quaterion_core.loss.ArcFaceLoss`: the cross-entropy of scale
    cos(θ_y + margin) for the own group y and scale cos θ_j for others. Objects that are mislabelled
    or look different may gather around a separate centre, and no longer attract the centre of the
    other objects.

    Source: Deng et al., Sub-center ArcFace: Boosting Face Recognition by Large-scale Noisy Web
    Faces, ECCV 2020, section 3.2, equation 3.

    Args:
        embedding_size: Embedding size D.
        num_groups: Number of groups C in the training data.
        sub_centers: Number of weight vectors K per group.
        scale: Factor of the cosines.
        margin: Angular margin in radians.

    Raises:
        ValueError: A size, ``sub_centers`` or the scale is not positive, or the margin is not in
            [0, π].

    Example:
        >>> loss = SubCenterArcFaceLoss(2, num_groups=2, sub_centers=2, scale=1.0, margin=0.5)
        >>> with torch.no_grad():  # the group 7 is at the first axis, the group 8 at both ends of
        ...     _ = loss.weight.copy_(torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, -1]]))  # another
        >>> embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        >>> value = loss(embeddings, torch.tensor([7, 8, 8]))  # log(1 + exp(0 - cos(0.5)))
        >>> round(value.item(), 4)
        0.3477
    """

    def __init__(
        self,
        embedding_size: Count,
        num_groups: Count,
        sub_centers: Count = 3,
        scale: PositiveFloat = 64.0,
        margin: float = 0.5,
    ):
        super().__init__(embedding_size, num_groups, scale, margin)
        if sub_centers < 1:
            raise ValueError(f"Expected sub_centers to be positive, got {sub_centers}.")
        self.sub_centers = sub_centers
        self.weight = nn.Parameter(torch.empty(num_groups * sub_centers, embedding_size))
        nn.init.normal_(self.weight, std=0.01)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {**super().get_config_dict(), "sub_centers": self.sub_centers}

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Return the cosines of embeddings (N, D) with the nearest centres, shape (N, C)."""
        of_centers = super().cosines(embeddings)
        return of_centers.view(-1, self.num_groups, self.sub_centers).amax(dim=2)
