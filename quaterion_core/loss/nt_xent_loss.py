"""NT-Xent loss: cross-entropy between two views of each object, without labels."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.distances import Distance
from quaterion_core.loss.known_positives import has_equal_objects, known_positives
from quaterion_core.loss.pairwise_loss import PairwiseLoss
from quaterion_core.loss.positive_pairs import POSITIVE_FROM, check_positive_from
from quaterion_core.utils.precision import embeddings_for_loss
from quaterion_core.utils.ranges import PositiveFloat


class NTXentLoss(PairwiseLoss):
    """Normalised temperature-scaled cross-entropy of two views of each object (SimCLR).

    The two objects of a pair are the two views. With the similarity s, for each view i of the 2B
    in a batch of B pairs, whose partner is j::

        -log( exp(s(i, j) / temperature) / Σ over k ≠ i of exp(s(i, k) / temperature) )

    averaged over all views. Unlike multiple negatives ranking, it compares both views with both
    views of all other objects.

    :class:`~quaterion_cv.TwoViews` creates such pairs of images without labels. Views of the same
    subgroup are not compared, except for partners, so images that are known to show the same thing
    should share a subgroup. Views of equal objects are not compared either. The two objects of a
    pair with label 0 are negatives of the other views, but have no positive.

    Source: Chen, Kornblith, Norouzi, Hinton, A Simple Framework for Contrastive Learning of Visual
    Representations (SimCLR), ICML 2020, section 2.1, equation 1.

    Args:
        temperature: Divisor of the similarities. The paper finds 0.1 best for ImageNet and 0.5 for
            CIFAR-10.
        distance_metric_name: Distance that defines the similarity s.
        positive_from: Lowest label of a pair of views of one object.

    Raises:
        ValueError: ``temperature`` is not positive, or ``positive_from`` is not in (0, 1].

    Example:
        >>> embeddings = torch.eye(2).repeat(2, 1)  # two pairs of equal views
        >>> pairs, labels = torch.tensor([[0, 2], [1, 3]]), torch.ones(2)
        >>> loss = NTXentLoss(temperature=1.0)
        >>> loss(embeddings, pairs, labels, torch.tensor([7, 8, 7, 8]))  # log(1 + 2 exp(0 - 1))
        tensor(0.5514)
    """

    score_range = (0.0, 1.0)

    def __init__(
        self,
        temperature: PositiveFloat = 0.1,
        distance_metric_name: Distance | str = Distance.COSINE,
        positive_from: float = POSITIVE_FROM,
    ):
        super().__init__(distance_metric_name)
        self.positive_from = check_positive_from(positive_from)
        if temperature <= 0:
            raise ValueError(f"Expected temperature to be positive, got {temperature}.")
        self.temperature = temperature

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {
            **super().get_config_dict(),
            "temperature": self.temperature,
            "positive_from": self.positive_from,
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
            labels: Label of each pair, shape (B,): at least ``positive_from`` for two views of one
                object.
            subgroups: Subgroup of each object, shape (N,), int64.
            objects: Id of each object, equal for equal objects, shape (N,), int64. By default all
                objects are distinct.
            **kwargs: Other targets, ignored.

        Returns:
            A scalar; 0 if there is no pair of views.
        """
        subgroups = self.check_batch(embeddings, pairs, labels, subgroups)
        embeddings = embeddings_for_loss(embeddings)
        views = pairs[labels >= self.positive_from]
        if not len(views):
            return self.nothing_to_learn(embeddings)
        anchors, partners = torch.cat([views, views.flip(1)]).unbind(dim=1)
        own = subgroups[anchors].unsqueeze(1)
        is_compared = (own != subgroups) | (own == NO_SUBGROUP)
        if objects is not None and has_equal_objects(objects):
            stated = objects[pairs]
            is_compared &= ~known_positives(
                objects[anchors], objects, stated[labels > 0], stated[labels <= 0]
            )
        is_compared.scatter_(1, anchors.unsqueeze(1), False)
        is_compared.scatter_(1, partners.unsqueeze(1), True)
        logits = self.distance_metric.similarity_matrix(embeddings[anchors], embeddings)
        logits = (logits / self.temperature).masked_fill(~is_compared, -math.inf)
        return (logits.logsumexp(dim=1) - logits.gather(1, partners.unsqueeze(1)).squeeze(1)).mean()
