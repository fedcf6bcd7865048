"""Multiple negatives ranking loss: cross-entropy over the other objects of the batch."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.distances import Distance
from quaterion_core.loss.pairwise_loss import PairwiseLoss
from quaterion_core.utils.precision import at_least_float32


class MultipleNegativesRankingLoss(PairwiseLoss):
    """Ranks the partner of an object before all that the batch holds against it.

    For a pair i of similar objects a_i and b_i, with the similarity s::

        -log( exp(scale s(a_i, b_i)) / (exp(scale s(a_i, b_i)) + Σ_j exp(scale s(a_i, b_j))) )

    averaged over these pairs with their labels as weights. The sum goes over the negatives of
    a_i:

    - ``obj_b`` of the other pairs, except of those that state the same subgroup as a_i;
    - ``obj_b`` of every pair with the label 0: a hard negative, for objects of its own subgroup
      too, since its pair says so. Give as many such pairs for an ``obj_a`` as there are hard
      negatives. They have no term of their own.

    ``symmetric`` averages this with the same for b_i against ``obj_a`` of the other similar pairs.

    Large batches are what makes this loss strong, and equal objects in a batch what makes it
    weak: give these one subgroup.

    Source: Henderson et al., Efficient Natural Language Response Suggestion for Smart Reply, 2017,
    section 4.4; van den Oord, Li, Vinyals, Representation Learning with Contrastive Predictive
    Coding, 2018, equation 4 (InfoNCE), where scale is 1/temperature.

    Args:
        scale: Factor of the similarities, 1/temperature. A similarity on [0, 1], as Quaterion 0.1
            had it, turned 20 into 10.
        distance_metric_name: The distance whose similarity is s.
        symmetric: Also rank ``obj_a`` for ``obj_b``.

    Example:
        >>> embeddings = torch.eye(2).repeat(2, 1)  # two pairs of equal objects
        >>> pairs, labels = torch.tensor([[0, 2], [1, 3]]), torch.ones(2)
        >>> loss = MultipleNegativesRankingLoss(scale=1.0)
        >>> loss(embeddings, pairs, labels, torch.tensor([7, 8, 7, 8]))  # log(1 + exp(0 - 1))
        tensor(0.3133)
    """

    def __init__(
        self,
        scale: float = 20.0,
        distance_metric_name: Distance | str = Distance.COSINE,
        symmetric: bool = False,
    ):
        super().__init__(distance_metric_name)
        self.scale = scale
        self.symmetric = symmetric

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that build this loss again, as JSON values."""
        return {**super().get_config_dict(), "scale": self.scale, "symmetric": self.symmetric}

    def forward(
        self, embeddings: Tensor, pairs: Tensor, labels: Tensor, subgroups: Tensor, **kwargs: Any
    ) -> Tensor:
        """Compute the loss of a batch.

        Args:
            embeddings: Shape (N, D).
            pairs: Rows of ``embeddings`` that make up each pair, shape (B, 2).
            labels: Weight of each similar pair, usually 1.0; 0.0 for a hard negative. Shape (B,).
            subgroups: Subgroup of each object, shape (N,), int64.
            **kwargs: Other targets, ignored.

        Returns:
            A scalar; 0 if there is no similar pair.
        """
        self.check_batch(embeddings, pairs, labels, subgroups)
        embeddings = at_least_float32(embeddings)
        weights = labels.to(embeddings.dtype).clamp(min=0)
        rows_a, rows_b = pairs.unbind(dim=1)
        logits = self.scale * self.distance_metric.similarity_matrix(
            embeddings[rows_a], embeddings[rows_b]
        )
        of_others = _is_of_another_subgroup(subgroups[rows_a], subgroups[rows_b])
        is_similar = weights > 0
        loss = _ranking_loss(logits, of_others | ~is_similar, weights)
        if self.symmetric:
            # obj_a of a hard negative's pair may be this very object's partner.
            loss = (loss + _ranking_loss(logits.T, of_others.T & is_similar, weights)) / 2
        return loss


def _is_of_another_subgroup(anchors: Tensor, others: Tensor) -> Tensor:
    """Compare subgroups (B,) with subgroups (B,); returns (B, B), true where one states none."""
    anchors = anchors.unsqueeze(1)
    return (anchors != others) | (anchors == NO_SUBGROUP)


def _ranking_loss(logits: Tensor, negative: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean of the cross-entropy of the diagonal against the negatives."""
    itself = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(~(negative | itself), -math.inf)
    partner = torch.arange(len(logits), device=logits.device)
    losses = F.cross_entropy(logits, partner, reduction="none")
    return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)
