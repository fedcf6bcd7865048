"""Triplet loss."""

from __future__ import annotations

import math
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.loss.anchored_group_loss import AnchoredGroupLoss
from quaterion_core.loss.hardest_triplets import hardest_triplets

_MININGS: Final = ("all", "hard", "semi_hard")
_SORTED_VALUES: Final = 2**20
"""How many distances are sorted at once: what stays in a processor's cache is sorted faster."""


class TripletLoss(AnchoredGroupLoss):
    """Triplet loss: positives closer to an anchor than negatives, by a margin.

    With distances d of anchor a, positive p and negative n, over triplets of one anchor:

    - ``"all"``: the mean of d(a, p) - d(a, n) + margin over all triplets where it is positive.
    - ``"semi_hard"``: the same mean over those of them with d(a, n) > d(a, p), which teach without
      asking for what is still out of reach.
    - ``"hard"``: one triplet for each anchor, of its furthest positive (distance d_p) and its
      nearest negative (d_n): the mean of max(0, (d_p - d_n)/|mean d_n| + margin). Since distances
      are divided by the mean distance of the negatives, shrinking them all gains nothing, which
      guards against collapse; and the margin is a share of that mean. With ``soft`` it is the
      mean of log(1 + exp(d_p - d_n)), without any margin.

    Objects without a positive or without a negative take no part as anchors. Memory is O(N²) for
    every mining, time O(N² log N) for ``"all"`` and ``"semi_hard"``.

    Against a memory, the anchors are of the batch and the others of the memory.

    Source: Schroff, Kalenichenko, Philbin, FaceNet, CVPR 2015, sections 3.1 and 3.2 (all and
    semi-hard); Hermans, Beyer, Leibe, In Defense of the Triplet Loss, 2017, section 2, equation 5
    (hard) and "soft-margin".

    Args:
        margin: By how much a negative should be further away than a positive.
        distance_metric_name: The distance d.
        mining: ``"all"``, ``"hard"`` or ``"semi_hard"``.
        soft: Replace the margin of hard mining by a softplus.

    Raises:
        ValueError: ``mining`` is none of these, ``margin`` is negative, or ``soft`` is asked of
            another mining than ``"hard"``.

    Example:
        >>> embeddings = torch.tensor([[0.0], [1.0], [1.5]])
        >>> loss = TripletLoss(margin=1.0, distance_metric_name="euclidean", mining="all")
        >>> loss(embeddings, torch.tensor([7, 7, 8]))  # of 1 - 1.5 + 1 and 1 - 0.5 + 1
        tensor(1.)
    """

    def __init__(
        self,
        margin: float = 0.5,
        distance_metric_name: Distance | str = Distance.COSINE,
        mining: str = "hard",
        soft: bool = False,
    ):
        super().__init__(distance_metric_name)
        if mining not in _MININGS:
            raise ValueError(f"mining should be one of {', '.join(_MININGS)}, but is {mining!r}.")
        if margin < 0:
            raise ValueError(f"margin should not be negative, but is {margin}.")
        if soft and mining != "hard":
            raise ValueError(
                f"soft=True belongs to mining='hard' and has no meaning for {mining!r}. Leave it "
                "out, or choose mining='hard'."
            )
        self.margin = margin
        self.mining = mining
        self.soft = soft

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that build this loss again, as JSON values."""
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
        # A mean below this is the rounding error of collapsed embeddings.
        shortest = torch.finfo(anchors.dtype).eps ** 0.5
        scale = ((to_negative * is_anchor).sum() / count).abs().clamp(min=shortest)
        return (F.relu(difference / scale + self.margin) * is_anchor).sum() / count

    def _mean_of_mined(self, distances: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Return the mean of d(a, p) - d(a, n) + margin over the triplets that are mined.

        The sum is linear in the distances, and sorting tells how often it counts each of them. No
        triplet is ever formed.
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
        # The next number below: a triplet whose loss is exactly 0 is not counted.
        threshold = _next_number(distances + self.margin, -math.inf)
        times = _times_in_triplets(distances, threshold, positive, negative)
        if self.mining == "semi_hard":
            # The next number above: a negative as near as the positive is too hard.
            threshold = _next_number(distances, math.inf)
            times -= _times_in_triplets(distances, threshold, positive, negative)
        return times


def _next_number(values: Tensor, towards: float) -> Tensor:
    return torch.nextafter(values, values.new_tensor(towards))


def _times_in_triplets(
    distances: Tensor, threshold: Tensor, positive: Tensor, negative: Tensor
) -> Tensor:
    """Count the triplets with d(a, n) < threshold(a, p), for each distance that is part of them.

    Args:
        distances: Of anchors and other objects, shape (A, M).
        threshold: Of anchors and positives, shape (A, M).
        positive: Which of the others are positives of an anchor, shape (A, M).
        negative: Which of them are negatives, shape (A, M).

    Returns:
        Shape (A, M): for a positive the number of its triplets, for a negative minus the number of
        its triplets, 0 for others.
    """
    keys = torch.where(positive, threshold, distances.masked_fill(~negative, math.inf))
    order = keys.argsort(dim=1)
    positive, negative = positive.gather(1, order), negative.gather(1, order)
    negatives_before = negative.cumsum(dim=1, dtype=torch.int32)
    positives_upto = positive.cumsum(dim=1, dtype=torch.int32)
    positives_after = positives_upto[:, -1:] - positives_upto
    times = positive * negatives_before - negative * positives_after
    return torch.empty_like(distances).scatter_(1, order, times.to(distances.dtype))
