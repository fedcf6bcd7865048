"""The hardest triplet of each anchor."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from quaterion_core.distances import BaseDistance


def hardest_triplets(
    distance: BaseDistance,
    anchors: Tensor,
    others: Tensor,
    positive: Tensor,
    negative: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the distances of each anchor to its furthest positive and its nearest negative.

    Args:
        distance: The distance.
        anchors: Shape (N, D).
        others: Shape (M, D), M at least 1.
        positive: Whether each of the others is a positive of each anchor, shape (N, M).
        negative: Whether each of the others is a negative of each anchor, shape (N, M).

    Returns:
        Distances to the positives, distances to the negatives, and 1.0 for each anchor that has
        both or else 0.0, each of shape (N,). Distances of anchors without both are undefined.

    Example:
        >>> from quaterion_core.distances import Euclidean
        >>> points = torch.tensor([[0.0], [1.0], [1.5]])
        >>> same = torch.tensor([[False, True, False], [True, False, False], [False] * 3])
        >>> other = torch.tensor([[False, False, True], [False, False, True], [True, True, False]])
        >>> hardest_triplets(Euclidean(), points, points, same, other)[2]
        tensor([1., 1., 0.])
    """
    with torch.no_grad():
        distances = distance.distance_matrix(anchors, others)
        hardest_positive = distances.masked_fill(~positive, -math.inf).argmax(dim=1)
        hardest_negative = distances.masked_fill(~negative, math.inf).argmin(dim=1)
        is_anchor = (positive.any(dim=1) & negative.any(dim=1)).to(anchors.dtype)
    # Only the selected distances need gradients, so the matrix is computed without a graph.
    to_positive = distance.distance(anchors, others[hardest_positive])
    to_negative = distance.distance(anchors, others[hardest_negative])
    return to_positive, to_negative, is_anchor
