"""Contrastive loss over labelled pairs."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.distances import Distance
from quaterion_core.loss.known_positives import has_equal_objects, known_positives
from quaterion_core.loss.pairwise_loss import PairwiseLoss
from quaterion_core.utils.precision import embeddings_for_loss


class ContrastiveLoss(PairwiseLoss):
    """Contrastive loss: similar pairs at distance 0, others at least a margin apart.

    For a pair with label y whose objects a and b have the distance d::

        1/2 (y d² + (1 - y) max(0, margin - d)²)
          + max(0, margin - nearest(a))² + max(0, margin - nearest(b))²

    where nearest(x) is the distance of x to the nearest object of another subgroup in the batch.
    Objects without a subgroup take no part in these two terms. Equal objects are not neighbours of
    each other, nor is an object a neighbour of one that equals its similar partner.

    Labels range from 0 to 1 (:attr:`score_range`); a graded label weights both terms.

    Source: Hadsell, Chopra, LeCun, Dimensionality Reduction by Learning an Invariant Mapping, CVPR
    2006, equation 4, where Y = 1 - y; the terms for other subgroups are specific to Quaterion.

    Args:
        distance_metric_name: Distance d, within pairs and between subgroups.
        margin: Distance from which dissimilar objects have no loss.
        size_average: Whether to return the mean over pairs instead of the sum.

    Example:
        >>> embeddings = torch.tensor([[0.0], [1.0], [0.5], [1.0]])
        >>> pairs, labels = torch.tensor([[0, 2], [1, 3]]), torch.tensor([1.0, 0.0])
        >>> loss = ContrastiveLoss("euclidean", margin=0.5)
        >>> loss(embeddings, pairs, labels, torch.tensor([7, 7, 7, 7]))  # 1/2 (0.5² + 0.5²) / 2
        tensor(0.1250)
    """

    score_range = (0.0, 1.0)

    def __init__(
        self,
        distance_metric_name: Distance | str = Distance.COSINE,
        margin: float = 0.5,
        size_average: bool = True,
    ):
        super().__init__(distance_metric_name)
        self.margin = margin
        self.size_average = size_average

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {
            **super().get_config_dict(),
            "margin": self.margin,
            "size_average": self.size_average,
        }

    def forward(
        self,
        embeddings: Tensor,
        pairs: Tensor,
        labels: Tensor,
        subgroups: Tensor,
        objects: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Compute the loss of a batch.

        Args:
            embeddings: Shape (N, D).
            pairs: Rows of ``embeddings`` that form each pair, shape (B, 2).
            labels: 1.0 for similar, 0.0 for dissimilar, or a graded similarity in between, shape
                (B,).
            subgroups: Subgroup of each object, shape (N,), int64.
            objects: Id of each object, equal for equal objects, shape (N,), int64. By default all
                objects are distinct.
            **kwargs: Other targets, ignored.

        Returns:
            A scalar.
        """
        subgroups = self.check_batch(embeddings, pairs, labels, subgroups)
        if not len(pairs):
            return self.nothing_to_learn(embeddings)
        embeddings = embeddings_for_loss(embeddings)
        labels = labels.to(embeddings.dtype)
        distances = self.distance_metric.distance(embeddings[pairs[:, 0]], embeddings[pairs[:, 1]])
        similar = labels * distances.square()
        dissimilar = (1 - labels) * F.relu(self.margin - distances).square()
        known = None
        if objects is not None and has_equal_objects(objects):
            known = known_positives(objects, objects, objects[pairs[labels > 0]])
        intrusions = self._intrusions(embeddings, subgroups, known)
        losses = (similar + dissimilar) / 2 + intrusions[pairs].sum(1)
        return losses.mean() if self.size_average else losses.sum()

    def _intrusions(self, embeddings: Tensor, subgroups: Tensor, known: Tensor | None) -> Tensor:
        """Return max(0, margin - nearest)² of each object, shape (N,)."""
        states = subgroups != NO_SUBGROUP
        with torch.no_grad():
            differs = (subgroups.unsqueeze(1) != subgroups) & states.unsqueeze(1) & states
            if known is not None:
                differs &= ~known
            if not differs.any():
                return embeddings.new_zeros(len(embeddings))
            distances = self.distance_metric.distance_matrix(embeddings)
            nearest = distances.masked_fill_(~differs, math.inf).argmin(dim=1)
        to_nearest = self.distance_metric.distance(embeddings, embeddings[nearest])
        return F.relu(self.margin - to_nearest).square() * differs.any(dim=1)
