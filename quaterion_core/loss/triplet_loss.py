"""Triplet loss, with several ways to mine triplets."""

from __future__ import annotations

import math
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.loss.anchored_group_loss import AnchoredGroupLoss
from quaterion_core.loss.hardest_triplets import hardest_triplets
from quaterion_core.utils.ranges import NonNegativeFloat

_MININGS: Final = ("all", "hard", "semi_hard")
_SORTED_VALUES: Final = 2**20
"""Number of distances that are sorted at once; within the processor's cache, this is faster."""


class TripletLoss(AnchoredGroupLoss):
    """Triplet loss: positives closer to an anchor than negatives, by a margin.

    With the distance d, for triplets of an anchor a, a positive p and a negative n:

    - ``"all"``: the mean of d(a, p) - d(a, n) + margin over all triplets where it is positive.
    - ``"semi_hard"``: the same mean over only those triplets with d(a, n) > d(a, p).
    - ``"hard"``: one triplet per anchor, with its furthest positive (distance d_p) and its nearest
      negative (d_n): the mean of max(0, (d_p - d_n)/|mean d_n| + margin). The margin is relative to
      the mean distance of the negatives, so shrinking all distances does not reduce the loss, which
      prevents collapse. With ``soft``, the mean of log(1 + exp(d_p - d_n)), without a margin.

    Objects without a positive or without a negative are not anchors. All kinds of mining need O(N²)
    memory; ``"all"`` and ``"semi_hard"`` need O(N² log N) time.

    With a cross-batch memory, anchors come from the batch, positives and negatives from the memory.

    Source: Schroff, Kalenichenko, Philbin, FaceNet, CVPR 2015, sections 3.1 and 3.2 (all and
    semi-hard); Hermans, Beyer, Leibe, In Defense of the Triplet Loss, 2017, section 2, equation 5
    (hard) and "soft-margin".

    Args:
        margin: Margin by which the distance to a negative should exceed that to a positive.
        distance_metric_name: Distance d.
        mining: ``"all"``, ``"hard"`` or ``"semi_hard"``.
        soft: Whether to replace the margin of hard mining with a softplus.

    Raises:
        ValueError: ``mining`` is none of these, ``margin`` is negative, or ``soft`` is combined
            with another mining than ``"hard"``.

    Example:
        >>> embeddings = torch.tensor([[0.0], [1.0], [1.5]])
        >>> loss = TripletLoss(margin=1.0, distance_metric_name="euclidean", mining="all")
        >>> loss(embeddings, torch.tensor([7, 7, 8]))  # of 1 - 1.5 + 1 and 1 - 0.5 + 1
        tensor(1.)
    """

    def __init__(
        self,
        margin: NonNegativeFloat = 0.5,
        distance_metric_name: Distance | str = Distance.COSINE,
        mining: str = "hard",
        soft: bool = False,
    ):
        super().__init__(distance_metric_name)
        if mining not in _MININGS:
            raise ValueError(f"Expected mining to be one of {', '.join(_MININGS)}, got {mining!r}.")
        if margin < 0:
            raise ValueError(f"Expected a margin of at least 0, got {margin}.")
        if soft and mining != "hard":
            raise ValueError(
                f"Expected mining='hard' with soft=True, got mining={mining!r}. Leave out soft, or "
                "use mining='hard'."
            )
        self.margin = margin
        self.mining = mining
        self.soft = soft

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {
            **super().get_config_dict(),
            "margin": self.margin,
            "mining": self.mining,
            "soft": self.soft,
        }

    def anchored_loss(
        self, anchors: Tensor, others: Tensor, positive: Tensor, negative: Tensor
    ) -> Tensor:
        """Compute the loss of anchors (N, D) against others (M, D); returns a scalar."""
        if positive.numel() == 0:
            return self.nothing_to_learn(anchors)
        if self.mining == "hard":
            return self._hard_loss(anchors, others, positive, negative)
        distances = self.distance_metric.distance_matrix(anchors, others)
        return self._mean_of_mined(distances, positive, negative)

    def _hard_loss(
        self, anchors: Tensor, others: Tensor, positive: Tensor, negative: Tensor
    ) -> Tensor:
        to_positive, to_negative, is_anchor = hardest_triplets(
            self.distance_metric, anchors, others, positive, negative
        )
        count = is_anchor.sum().clamp(min=1)
        difference = to_positive - to_negative
        if self.soft:
            return (F.softplus(difference) * is_anchor).sum() / count
        # A smaller mean is the rounding error of collapsed embeddings.
        shortest = torch.finfo(anchors.dtype).eps ** 0.5
        scale = ((to_negative * is_anchor).sum() / count).abs().clamp(min=shortest)
        return (F.relu(difference / scale + self.margin) * is_anchor).sum() / count

    def _mean_of_mined(self, distances: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Return the mean of d(a, p) - d(a, n) + margin over the mined triplets.

        The sum is linear in the distances, and sorting gives the number of times that each occurs,
        so triplets are never enumerated.
        """
        with torch.no_grad():
            times = torch.empty_like(distances)
            triplets = distances.new_zeros(())
            rows = max(1, _SORTED_VALUES // distances.shape[1])
            for start in range(0, len(distances), rows):
                block = slice(start, start + rows)
                times[block] = self._times_counted(
                    distances[block], positive[block], negative[block]
                )
                triplets += times[block].clamp(min=0).sum()
        mean = (times * distances).sum() / triplets.clamp(min=1)
        return mean + self.margin * (triplets > 0).to(mean.dtype)

    def _times_counted(self, distances: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        # The next smaller number, as a triplet whose loss is exactly 0 is not counted.
        threshold = _next_number(distances + self.margin, -math.inf)
        times = _times_in_triplets(distances, threshold, positive, negative)
        if self.mining == "semi_hard":
            # The next larger number, as a negative at the distance of the positive is too hard.
            threshold = _next_number(distances, math.inf)
            times -= _times_in_triplets(distances, threshold, positive, negative)
        return times


def _next_number(values: Tensor, towards: float) -> Tensor:
    return torch.nextafter(values, values.new_tensor(towards))


def _times_in_triplets(
    distances: Tensor, threshold: Tensor, positive: Tensor, negative: Tensor
) -> Tensor:
    """Count, for each distance, the triplets with d(a, n) < threshold(a, p) that contain it.

    Args:
        distances: Distances of anchors to other objects, shape (A, M).
        threshold: Thresholds of anchors and positives, shape (A, M).
        positive: Whether each of the others is a positive of each anchor, shape (A, M).
        negative: Whether each of the others is a negative of each anchor, shape (A, M).

    Returns:
        Shape (A, M): the number of triplets of a positive, minus the number of triplets of a
        negative, 0 for others.
    """
    keys = torch.where(positive, threshold, distances.masked_fill(~negative, math.inf))
    order = keys.argsort(dim=1)
    positive, negative = positive.gather(1, order), negative.gather(1, order)
    negatives_before = negative.cumsum(dim=1, dtype=torch.int32)
    positives_upto = positive.cumsum(dim=1, dtype=torch.int32)
    positives_after = positives_upto[:, -1:] - positives_upto
    times = positive * negatives_before - negative * positives_after
    return torch.empty_like(distances).scatter_(1, order, times.to(distances.dtype))
