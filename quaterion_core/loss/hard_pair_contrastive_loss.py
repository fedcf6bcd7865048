"""Contrastive loss over the hard pairs of a batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.loss.pairwise_loss import PairwiseLoss
from quaterion_core.utils.precision import embeddings_for_loss
from quaterion_core.utils.ranges import NonNegativeFloat


class HardPairContrastiveLoss(PairwiseLoss):
    """Contrastive loss over the hard pairs of a batch.

    A similar pair is hard if it is further apart than the nearest dissimilar pair, and a dissimilar
    pair if it is nearer than the furthest similar pair. With the distance d of a pair, the loss is
    the sum over the hard pairs of d² for similar and of max(0, margin - d)² for dissimilar ones. If
    all pairs of a batch are similar, those further apart than their mean distance are hard; if all
    are dissimilar, those nearer than it.

    sentence-transformers calls this loss ``OnlineContrastiveLoss``, which here is a loss over
    groups. Subgroups are not used.

    Source: Hadsell, Chopra, LeCun, Dimensionality Reduction by Learning an Invariant Mapping, CVPR
    2006, equation 4 (without its factor 1/2); the selection of pairs: ``OnlineContrastiveLoss`` of
    Reimers and Gurevych, Sentence-BERT, EMNLP 2019, in their library.

    Args:
        distance_metric_name: Distance d.
        margin: Distance from which dissimilar objects have no loss.
        size_average: Whether to return the mean over the hard pairs instead of the sum.

    Raises:
        ValueError: ``margin`` is negative.

    Example:
        >>> embeddings = torch.tensor([[0.0], [0.0], [0.4], [0.3]])  # distances 0.4 and 0.3
        >>> pairs, labels = torch.tensor([[0, 2], [1, 3]]), torch.tensor([1.0, 0.0])
        >>> loss = HardPairContrastiveLoss("euclidean", margin=0.5)
        >>> loss(embeddings, pairs, labels, torch.tensor([7, 8, 7, 8]))  # 0.4² + (0.5 - 0.3)²
        tensor(0.2000)
    """

    def __init__(
        self,
        distance_metric_name: Distance | str = Distance.COSINE,
        margin: NonNegativeFloat = 0.5,
        size_average: bool = False,
    ):
        super().__init__(distance_metric_name)
        if margin < 0:
            raise ValueError(f"Expected a margin of at least 0, got {margin}.")
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
        self, embeddings: Tensor, pairs: Tensor, labels: Tensor, subgroups: Tensor, **kwargs: Any
    ) -> Tensor:
        """Compute the loss of a batch.

        Args:
            embeddings: Shape (N, D).
            pairs: Rows of ``embeddings`` that form each pair, shape (B, 2).
            labels: Similarity of each pair, shape (B,). At least 0.5 is similar.
            subgroups: Subgroup of each object, shape (N,), int64; not used.
            **kwargs: Other targets, ignored.

        Returns:
            A scalar.
        """
        self.check_batch(embeddings, pairs, labels, subgroups)
        if not len(pairs):
            return self.nothing_to_learn(embeddings)
        embeddings = embeddings_for_loss(embeddings)
        distances = self.distance_metric.distance(embeddings[pairs[:, 0]], embeddings[pairs[:, 1]])
        similar = labels >= 0.5
        with torch.no_grad():
            nearest_dissimilar = distances.masked_fill(similar, torch.inf).min()
            furthest_similar = distances.masked_fill(~similar, -torch.inf).max()
            # If all pairs are of one kind, one limit is infinite and the mean replaces it.
            mean = distances.mean()
            lowest = torch.where(nearest_dissimilar.isinf(), mean, nearest_dissimilar)
            highest = torch.where(furthest_similar.isinf(), mean, furthest_similar)
            # Selecting the easy pairs keeps NaN, so that it shows in the loss.
            is_easy = torch.where(similar, distances <= lowest, distances >= highest)
        losses = torch.where(similar, distances.square(), F.relu(self.margin - distances).square())
        total = losses.masked_fill(is_easy, 0).sum()
        return total / (~is_easy).sum().clamp(min=1) if self.size_average else total
