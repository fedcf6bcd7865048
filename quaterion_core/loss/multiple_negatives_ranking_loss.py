"""Multiple negatives ranking loss: cross-entropy with in-batch negatives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.distances import Distance
from quaterion_core.loss.known_positives import has_equal_objects, known_positives
from quaterion_core.loss.pairwise_loss import PairwiseLoss
from quaterion_core.loss.positive_pairs import POSITIVE_FROM, check_positive_from, positive_weights
from quaterion_core.utils.precision import embeddings_for_loss
from quaterion_core.utils.ranges import PositiveFloat


class MultipleNegativesRankingLoss(PairwiseLoss):
    """Cross-entropy with in-batch negatives (multiple negatives ranking, InfoNCE).

    For a pair i of similar objects a_i and b_i, with the similarity s::

        -log( exp(scale s(a_i, b_i)) / (exp(scale s(a_i, b_i)) + Σ_j exp(scale s(a_i, b_j))) )

    averaged over the similar pairs, weighted by their labels. Labels range from 0 to 1; pairs with
    a label of at least ``positive_from`` are similar. The sum is over the negatives of a_i:

    - ``obj_b`` of the other pairs, except those of the same subgroup as a_i;
    - ``obj_b`` of every pair with label 0, a hard negative, also for objects of the same subgroup.
      An ``obj_a`` with several hard negatives needs one such pair for each. These pairs have no
      term of their own.

    Equal objects count as one: the negatives of a_i exclude objects that equal a_i and positives of
    objects that equal a_i, unless they form a pair with label 0.

    With ``symmetric``, this is averaged with the same loss of b_i against ``obj_a`` of the other
    similar pairs.

    The loss benefits from large batches.

    Source: Henderson et al., Efficient Natural Language Response Suggestion for Smart Reply, 2017,
    section 4.4; van den Oord, Li, Vinyals, Representation Learning with Contrastive Predictive
    Coding, 2018, equation 4 (InfoNCE), where scale is 1/temperature.

    Args:
        scale: Factor of the similarities, 1/temperature. Quaterion 0.1 mapped similarities to
            [0, 1], where a scale of 20 has the effect of 10 here.
        distance_metric_name: Distance that defines the similarity s.
        symmetric: Whether to also rank ``obj_a`` for each ``obj_b``.
        positive_from: Lowest label of a similar pair. A pair with a lower label above 0 has no term
            of its own, and its objects are not negatives of each other.

    Raises:
        ValueError: ``positive_from`` is not in (0, 1].

    Example:
        >>> embeddings = torch.eye(2).repeat(2, 1)  # two pairs of equal objects
        >>> pairs, labels = torch.tensor([[0, 2], [1, 3]]), torch.ones(2)
        >>> loss = MultipleNegativesRankingLoss(scale=1.0)
        >>> loss(embeddings, pairs, labels, torch.tensor([7, 8, 7, 8]))  # log(1 + exp(0 - 1))
        tensor(0.3133)
    """

    score_range = (0.0, 1.0)

    def __init__(
        self,
        scale: PositiveFloat = 20.0,
        distance_metric_name: Distance | str = Distance.COSINE,
        symmetric: bool = False,
        positive_from: float = POSITIVE_FROM,
    ):
        super().__init__(distance_metric_name)
        self.positive_from = check_positive_from(positive_from)
        self.scale = scale
        self.symmetric = symmetric

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {
            **super().get_config_dict(),
            "scale": self.scale,
            "symmetric": self.symmetric,
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
            labels: Label of each pair, shape (B,): 1.0, or a weight of at least ``positive_from``,
                for a similar pair; 0.0 for a hard negative.
            subgroups: Subgroup of each object, shape (N,), int64. If labels and subgroups are both
                empty, as Quaterion 0.1 allows, all pairs are similar and have no subgroup.
            objects: Id of each object, equal for equal objects, shape (N,), int64. By default all
                objects are distinct.
            **kwargs: Other targets, ignored.

        Returns:
            A scalar; 0 if there is no similar pair.
        """
        if not len(labels) and not len(subgroups):
            labels = torch.ones(len(pairs), device=embeddings.device)
        subgroups = self.check_batch(embeddings, pairs, labels, subgroups)
        if not len(labels):
            return self.nothing_to_learn(embeddings)
        embeddings = embeddings_for_loss(embeddings)
        weights = positive_weights(labels, self.positive_from, embeddings.dtype)
        is_negative = labels <= 0
        rows_a, rows_b = pairs.unbind(dim=1)
        logits = self.scale * self.distance_metric.similarity_matrix(
            embeddings.index_select(0, rows_a), embeddings.index_select(0, rows_b)
        )
        of_a, of_b = _in_batch_negatives(
            subgroups[rows_a], subgroups[rows_b], ~is_negative, _known(objects, pairs, is_negative)
        )
        counted = _without_others(logits, of_a)
        loss = _ranking_loss(counted, weights, dim=1)
        if self.symmetric:
            if of_b is not of_a:
                counted = _without_others(logits, of_b)
            loss = (loss + _ranking_loss(counted, weights, dim=0)) / 2
        return loss

    def xbm_loss(
        self,
        embeddings: Tensor,
        pairs: Tensor,
        labels: Tensor,
        subgroups: Tensor,
        memory_embeddings: Tensor,
        memory_pairs: Tensor,
        memory_labels: Tensor,
        memory_subgroups: Tensor,
        *,
        objects: Tensor | None = None,
        memory_objects: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Compute the cross-entropy of partners with negatives from a memory.

        Negatives are selected as within a batch, but from the memory only. Shapes are those of
        :meth:`PairwiseLoss.xbm_loss <quaterion_core.loss.PairwiseLoss.xbm_loss>`.
        """
        subgroups = self.check_batch(embeddings, pairs, labels, subgroups)
        memory_subgroups = self.check_batch(
            memory_embeddings, memory_pairs, memory_labels, memory_subgroups
        )
        if not len(labels) or not len(memory_labels):
            return self.nothing_to_learn(embeddings)
        embeddings = embeddings_for_loss(embeddings)
        memory = memory_embeddings.detach().to(embeddings.dtype)
        weights = positive_weights(labels, self.positive_from, embeddings.dtype)
        rows = pairs.unbind(dim=1)
        known = None
        if objects is not None and memory_objects is not None:
            own, remembered = objects[pairs], memory_objects[memory_pairs]
            stated = torch.cat([own, remembered])
            is_similar = torch.cat([labels, memory_labels.to(labels)]) > 0
            sides = ((own[:, 0], remembered[:, 1]), (own[:, 1], remembered[:, 0]))
            known = [
                known_positives(anchors, others, stated[is_similar], stated[~is_similar])
                for anchors, others in sides
            ]
        of_a, of_b = _memory_negatives(
            subgroups[rows[0]], memory_subgroups[memory_pairs[:, 0]], memory_labels > 0, known
        )
        first, second = (embeddings.index_select(0, r) for r in rows)
        partners = self.scale * self.distance_metric.similarity(first, second)
        directions = [(first, memory[memory_pairs[:, 1]], of_a)]
        if self.symmetric:
            directions.append((second, memory[memory_pairs[:, 0]], of_b))
        loss = self.nothing_to_learn(embeddings)
        for objects, others, negative in directions:
            logits = self.scale * self.distance_metric.similarity_matrix(objects, others)
            counted = torch.column_stack([partners, logits.masked_fill(~negative, -math.inf)])
            loss = loss + _weighted_mean(counted.logsumexp(dim=1) - partners, weights)
        return loss / len(directions)


def _memory_negatives(
    subgroups: Tensor,
    memory_subgroups: Tensor,
    is_similar: Tensor,
    known: Sequence[Tensor] | None,
) -> tuple[Tensor, Tensor]:
    """Find the negatives of each object in a memory of M pairs.

    Args:
        subgroups: Subgroup of each pair of the batch, shape (B,).
        memory_subgroups: Subgroup of each remembered pair, shape (M,).
        is_similar: Whether the two objects of a remembered pair are similar, shape (M,).
        known: Which remembered ``obj_b`` are known positives of an ``obj_a``, and which remembered
            ``obj_a`` are known positives of an ``obj_b``, each (B, M).

    Returns:
        Two masks (B, M): which remembered ``obj_b`` are negatives of an ``obj_a``, and which
        remembered ``obj_a`` are negatives of an ``obj_b``.
    """
    rows = subgroups.unsqueeze(1)
    of_others = (rows != memory_subgroups) | (rows == NO_SUBGROUP)
    of_a, of_b = of_others | ~is_similar, of_others & is_similar
    return (of_a, of_b) if known is None else (of_a & ~known[0], of_b & ~known[1])


def _known(objects: Tensor | None, pairs: Tensor, is_negative: Tensor) -> Tensor | None:
    """Find the known positives among the objects of a batch.

    Returns:
        Which ``obj_b`` (columns) are known positives of an ``obj_a`` (rows), shape (B, B); None if
        only partners are.
    """
    if objects is None or not has_equal_objects(objects):
        return None
    stated = objects[pairs]
    first, second = stated.unbind(dim=1)
    return known_positives(first, second, stated[~is_negative], stated[is_negative])


def _in_batch_negatives(
    subgroups_a: Tensor, subgroups_b: Tensor, is_similar: Tensor, known: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """Find the negatives of each object.

    Args:
        subgroups_a: Subgroup of ``obj_a`` of each pair, shape (B,).
        subgroups_b: Subgroup of ``obj_b`` of each pair, shape (B,).
        is_similar: Whether the two objects of a pair are similar, shape (B,).
        known: Which ``obj_b`` are known positives of an ``obj_a``, shape (B, B).

    Returns:
        Two masks (B, B) with a row for each ``obj_a`` and a column for each ``obj_b``: which
        ``obj_b`` are negatives of an ``obj_a``, and which ``obj_a`` are negatives of an ``obj_b``.
        None if all but the partners are, as in most batches.
    """
    states_none = subgroups_a == NO_SUBGROUP
    if bool((states_none & is_similar).all()):
        negative = None if known is None else ~known
        return negative, negative
    of_others = (subgroups_a.unsqueeze(1) != subgroups_b) | states_none.unsqueeze(1)
    # obj_a of a hard negative may be the positive of obj_b.
    of_a, of_b = of_others | ~is_similar, of_others & is_similar.unsqueeze(1)
    return (of_a, of_b) if known is None else (of_a & ~known, of_b & ~known)


def _without_others(logits: Tensor, negative: Tensor | None) -> Tensor:
    """Set logits to minus infinity that are neither of a partner nor of a negative.

    Args:
        logits: Shape (B, B), with those of partners on the diagonal.
        negative: Which logits are those of negatives, shape (B, B); None for all but the diagonal.
    """
    if negative is None:
        return logits
    others = ~negative
    others.fill_diagonal_(False)
    return logits.masked_fill(others, -math.inf)


def _ranking_loss(logits: Tensor, weights: Tensor, dim: int) -> Tensor:
    """Return the weighted mean of the cross-entropy of partners against negatives.

    Args:
        logits: Shape (B, B), with those of partners on the diagonal, and minus infinity for what
            is neither a partner nor a negative.
        weights: Weight of each pair, shape (B,).
        dim: Dimension of the negatives of an object.
    """
    losses: Tensor = _DiagonalCrossEntropy.apply(logits, dim)
    return _weighted_mean(losses, weights)


def _weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of losses (B,) with weights (B,); 0 if all weights are 0."""
    return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)


class _DiagonalCrossEntropy(torch.autograd.Function):
    """``-logits.log_softmax(dim).diagonal()``, faster and with half the memory.

    Only the diagonal of the log-softmax is needed, so the backward pass needs the logits and one
    number per row: the derivative is the softmax minus one on the diagonal.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, dim: int) -> Tensor:
        highest = logits.amax(dim, keepdim=True)
        above = (logits - highest).exp_().sum(dim, keepdim=True).log_()
        ctx.dim = dim
        ctx.save_for_backward(logits, highest + above)
        # In this order, a small loss is not rounded away by large logits.
        return (highest.squeeze(dim) - logits.diagonal()) + above.squeeze(dim)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        logits, totals = ctx.saved_tensors
        gradient = gradients[0].unsqueeze(ctx.dim)
        result = (logits - totals).exp_().mul_(gradient)
        result.diagonal().sub_(gradients[0])
        return result, None
