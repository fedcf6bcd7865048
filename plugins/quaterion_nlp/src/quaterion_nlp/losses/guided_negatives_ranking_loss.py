"""Guided negatives ranking loss: in-batch negatives, except false ones found by a guide."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.distances import Cosine, Distance
from quaterion_core.loss import PairwiseLoss
from quaterion_core.loss.known_positives import has_equal_objects, known_positives
from quaterion_core.loss.positive_pairs import POSITIVE_FROM, check_positive_from, positive_weights
from quaterion_core.utils.precision import at_least_float32, embeddings_for_loss
from quaterion_core.utils.ranges import PositiveFloat


class GuidedNegativesRankingLoss(PairwiseLoss):
    """Cross-entropy with in-batch negatives, except those that a guide finds similar (GISTEmbed).

    In a large batch, some objects are similar to an object without being its partner. A guide, an
    already trained model, finds these false negatives. With g for the cosine of the guide's
    embeddings, a candidate is a false negative of the pair i of a_i and b_i if g of the two
    compared objects exceeds g(a_i, b_i) + margin. With the similarity s::

        -log( exp(scale s(a_i, b_i)) / (exp(scale s(a_i, b_i)) + Σ exp(scale s(x, y))) )

    averaged over the similar pairs, weighted by their labels. The sum is over the following pairs
    (x, y), without false negatives and without objects of the subgroup of a_i:

    - a_i with ``obj_b`` of the other similar pairs, a_i with their ``obj_a``, and b_i with their
      ``obj_b``;
    - a_i with ``obj_b`` of every pair with label 0, a hard negative, also for objects of the same
      subgroup.

    The guide's embeddings are a target, ``guide_embeddings``. :func:`~quaterion_nlp.with_guide`
    computes them and, in a recipe, the dataset :class:`~quaterion_nlp.GuidedPairs`. Without them,
    the model is its own guide, with ``self_margin``: a model in training misjudges hard negatives
    more often than a guide does, so a larger margin is needed.

    Source: Solatorio, GISTEmbed: Guided In-sample Selection of Training Negatives for Text
    Embedding Fine-tuning, 2024, section 3. The model as its own guide: Zhang et al., Qwen3
    Embedding: Advancing Text Embedding and Reranking Through Foundation Models, 2025, section 3.1,
    whose margin is the default here.

    Args:
        scale: Factor of the similarities, 1/temperature. The paper uses a temperature of 0.01.
        margin: Margin by which the guide's cosine of a false negative exceeds that of the partner.
            Negative margins rule out more.
        self_margin: The margin if the model is its own guide.
        distance_metric_name: Distance that defines the similarity s.
        positive_from: Lowest label of a similar pair. A pair with a label above 0 and below this
            has no term of its own.

    Raises:
        ValueError: ``positive_from`` is not in (0, 1].

    Example:
        >>> embeddings = torch.eye(2).repeat(2, 1)  # two pairs of equal objects
        >>> pairs, labels = torch.tensor([[0, 2], [1, 3]]), torch.ones(2)
        >>> loss = GuidedNegativesRankingLoss(scale=1.0)
        >>> loss(embeddings, pairs, labels, torch.tensor([7, 8, 7, 8]))  # log(1 + 3 exp(0 - 1))
        tensor(0.7437)
        >>> guide = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
        >>> # The guide finds the obj_a, and the obj_b, equal: log(1 + exp(0 - 1)) is left.
        >>> loss(embeddings, pairs, labels, torch.tensor([7, 8, 7, 8]), guide_embeddings=guide)
        tensor(0.3133)
    """

    score_range = (0.0, 1.0)

    def __init__(
        self,
        scale: PositiveFloat = 100.0,
        margin: float = 0.0,
        self_margin: float = 0.1,
        distance_metric_name: Distance | str = Distance.COSINE,
        positive_from: float = POSITIVE_FROM,
    ):
        super().__init__(distance_metric_name)
        self.positive_from = check_positive_from(positive_from)
        self.scale = scale
        self.margin = margin
        self.self_margin = self_margin

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {
            **super().get_config_dict(),
            "scale": self.scale,
            "margin": self.margin,
            "self_margin": self.self_margin,
            "positive_from": self.positive_from,
        }

    def forward(
        self,
        embeddings: Tensor,
        pairs: Tensor,
        labels: Tensor,
        subgroups: Tensor,
        guide_embeddings: Tensor | None = None,
        objects: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Compute the loss of a batch.

        Args:
            embeddings: Shape (N, D).
            pairs: Rows of ``embeddings`` that form each pair, shape (B, 2).
            labels: Label of each pair, shape (B,): 1.0, or a weight of at least ``positive_from``,
                for a similar pair; 0.0 for a hard negative.
            subgroups: Subgroup of each object, shape (N,), int64.
            guide_embeddings: The guide's embeddings of the same objects, shape (N, E), which
                receive no gradient. By default, the embeddings themselves.
            objects: Id of each object, equal for equal objects, shape (N,), int64. By default all
                objects are distinct.
            **kwargs: Other targets, ignored.

        Returns:
            A scalar; 0 if there is no similar pair.

        Raises:
            ValueError: Shapes do not match.
        """
        subgroups = self.check_batch(embeddings, pairs, labels, subgroups)
        if guide_embeddings is not None and len(guide_embeddings) != len(embeddings):
            raise ValueError(
                f"Expected guide_embeddings of {len(embeddings)} objects, as in the batch, got "
                f"{len(guide_embeddings)}."
            )
        embeddings = embeddings_for_loss(embeddings)
        if not len(pairs):
            return self.nothing_to_learn(embeddings)
        weights = positive_weights(labels, self.positive_from, embeddings.dtype)
        candidates = _Candidates(pairs, labels > 0, subgroups, objects)
        logits = self.scale * candidates.compared(
            self.distance_metric.similarity_matrix, embeddings
        )
        guide = embeddings if guide_embeddings is None else guide_embeddings
        margin = self.self_margin if guide_embeddings is None else self.margin
        with torch.no_grad():
            of_guide = candidates.compared(Cosine.similarity_matrix, at_least_float32(guide))
            is_false = of_guide > of_guide.diagonal().unsqueeze(1) + margin
            is_counted = candidates.is_negative.logical_and_(~is_false)
            is_counted.fill_diagonal_(True)  # the partner itself
        losses = logits.masked_fill(~is_counted, -math.inf).logsumexp(dim=1) - logits.diagonal()
        return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)


class _Candidates:
    """Comparisons of each pair, shape (B, 3B): a_i with b_j, a_i with a_j, b_i with b_j.

    Args:
        pairs: Shape (B, 2).
        is_similar: Whether the objects of a pair are similar, shape (B,).
        subgroups: Shape (N,).
        objects: Ids of the objects, shape (N,).
    """

    def __init__(
        self, pairs: Tensor, is_similar: Tensor, subgroups: Tensor, objects: Tensor | None
    ):
        self.rows_a, self.rows_b = pairs.unbind(dim=1)
        own = subgroups[self.rows_a]
        is_other = (own.unsqueeze(1) != own) | (own == NO_SUBGROUP).unsqueeze(1)
        is_other.fill_diagonal_(False)
        of_similar = is_other & is_similar
        self.is_negative = torch.cat([is_other | ~is_similar, of_similar, of_similar], dim=1)
        if objects is not None and has_equal_objects(objects):
            stated = objects[pairs]
            a, b = stated.unbind(dim=1)
            for place, (anchors, others) in enumerate(((a, b), (a, a), (b, b))):
                known = known_positives(anchors, others, stated[is_similar], stated[~is_similar])
                columns = slice(place * len(pairs), (place + 1) * len(pairs))
                self.is_negative[:, columns] &= ~known

    def compared(self, similarity_matrix: Any, embeddings: Tensor) -> Tensor:
        """Return the similarities, shape (B, 3B), with those of partners on the diagonal."""
        a, b = embeddings[self.rows_a], embeddings[self.rows_b]
        matrices = similarity_matrix(a, b), similarity_matrix(a), similarity_matrix(b)
        return torch.cat(matrices, dim=1)
