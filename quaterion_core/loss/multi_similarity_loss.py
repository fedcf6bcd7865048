"""Multi-similarity loss: mined pairs, weighted by their relative similarity."""

from __future__ import annotations

import math
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.loss.anchored_group_loss import AnchoredGroupLoss
from quaterion_core.utils.masked import masked_log_sum_exp
from quaterion_core.utils.ranges import PositiveFloat


class MultiSimilarityLoss(AnchoredGroupLoss):
    """Multi-similarity loss: mined pairs of each anchor, weighted by their relative similarity.

    With the similarity s of an anchor to other objects, pairs are selected first:

    - a negative that is more similar than the least similar positive minus ``mining_margin``;
    - a positive that is less similar than the most similar negative, plus ``mining_margin``.

    An anchor without a positive or without a negative selects none. With the selected positives P
    and negatives N of each anchor, the loss is the mean over all anchors of::

        1/α log( 1 + Σ over P of exp(-α (s - λ)) ) + 1/β log( 1 + Σ over N of exp(β (s - λ)) )

    With a cross-batch memory, the anchors are those of the batch and the others those of the
    memory.

    Source: Wang et al., Multi-Similarity Loss with General Pair Weighting for Deep Metric
    Learning, CVPR 2019, section 4, equations 11, 12 and 15. The default of λ is that of the
    authors' code and of pytorch-metric-learning; the paper uses 1.

    Args:
        positive_scale: Scale α of the positives.
        negative_scale: Scale β of the negatives.
        threshold: Similarity λ at which the weights of pairs change fastest.
        mining_margin: Margin of the selection, ε in the paper. ``None`` selects all pairs.
        distance_metric_name: Distance that defines the similarity s; the equations assume the
            cosine.

    Raises:
        ValueError: ``positive_scale`` or ``negative_scale`` is not positive.

    Example:
        >>> import torch
        >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.8, 0.6]])
        >>> groups = torch.tensor([7, 7, 8])
        >>> loss = MultiSimilarityLoss(1.0, 1.0, threshold=0.8, mining_margin=None)
        >>> # of two anchors log(1 + exp(-0.2)) + log(1 + 1), of the third log(1 + 2)
        >>> loss(embeddings, groups)
        tensor(1.2271)
        >>> loss = MultiSimilarityLoss(1.0, 1.0, threshold=0.8, mining_margin=0.1)
        >>> loss(embeddings, groups)  # no negative comes within 0.1 of a positive
        tensor(0.)
    """

    def __init__(
        self,
        positive_scale: PositiveFloat = 2.0,
        negative_scale: PositiveFloat = 50.0,
        threshold: float = 0.5,
        mining_margin: float | None = 0.1,
        distance_metric_name: Distance | str = Distance.COSINE,
    ):
        super().__init__(distance_metric_name)
        if positive_scale <= 0 or negative_scale <= 0:
            raise ValueError(
                "Expected positive_scale and negative_scale to be positive, got "
                f"{positive_scale} and {negative_scale}."
            )
        self.positive_scale = positive_scale
        self.negative_scale = negative_scale
        self.threshold = threshold
        self.mining_margin = mining_margin

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {
            **super().get_config_dict(),
            "positive_scale": self.positive_scale,
            "negative_scale": self.negative_scale,
            "threshold": self.threshold,
            "mining_margin": self.mining_margin,
        }

    def anchored_loss(
        self, anchors: Tensor, others: Tensor, positive: Tensor, negative: Tensor
    ) -> Tensor:
        """Compute the loss of anchors (N, D) against others (M, D); returns a scalar."""
        if positive.numel() == 0:
            return self.nothing_to_learn(anchors)
        similarities = self.distance_metric.similarity_matrix(anchors, others)
        if self.mining_margin is not None:
            mined = _mine(similarities.detach(), positive, negative, self.mining_margin)
            positive, negative = mined
        above = similarities - self.threshold
        pulls = F.softplus(masked_log_sum_exp(-self.positive_scale * above, positive, dim=1))
        pushes = F.softplus(masked_log_sum_exp(self.negative_scale * above, negative, dim=1))
        return (pulls / self.positive_scale + pushes / self.negative_scale).mean()


def _mine(
    similarities: Tensor, positive: Tensor, negative: Tensor, margin: float
) -> tuple[Tensor, Tensor]:
    """Return the hard positives and the hard negatives, each of shape (N, M)."""
    least_positive = similarities.masked_fill(~positive, math.inf).amin(dim=1, keepdim=True)
    most_negative = similarities.masked_fill(~negative, -math.inf).amax(dim=1, keepdim=True)
    return (
        # Negated comparisons select NaN, so that it shows in the loss.
        positive & ~(similarities >= most_negative + margin),
        negative & ~(similarities <= least_positive - margin),
    )
