"""Cosine similarity."""

from __future__ import annotations

import torch
from torch import Tensor

from quaterion_core.distances.base_distance import BaseDistance
from quaterion_core.distances.operands import matrix, paired
from quaterion_core.utils.utils import unit_vectors


class Cosine(BaseDistance):
    """Cosine similarity, in [-1, 1]; the distance is 1 - cosine, in [0, 2].

    The cosine with a zero vector counts as 0, with a zero gradient.

    Some libraries, and the matrix forms of Quaterion 0.1, scale the cosine to [0, 1]: similarity
    (cos + 1)/2 and distance (1 - cos)/2. Equivalent settings:

    ========================================  ==========================
    setting for the scale [0, 1]              setting here
    ========================================  ==========================
    margin m between or above distances       2m
    margin m of a ratio of distances          m (hard triplet mining)
    scale s of similarities, in a softmax     s/2
    temperature t of similarities             2t
    ========================================  ==========================

    Both scales give the same ranking, so search results and metrics do not change.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
        >>> Cosine.similarity_matrix(x, torch.tensor([[3.0, 0.0], [-3.0, 0.0]]))
        tensor([[ 1., -1.],
                [ 0.,  0.]])
        >>> Cosine.distance(x, x.flip(0))
        tensor([1., 1.])
    """

    @staticmethod
    @paired
    def similarity(x: Tensor, y: Tensor) -> Tensor:
        """Return the cosines of paired rows, shape (B,)."""
        return (unit_vectors(x) * unit_vectors(y)).sum(dim=1)

    @staticmethod
    @paired
    def distance(x: Tensor, y: Tensor) -> Tensor:
        """Return 1 - cosine of paired rows, shape (B,)."""
        return 1 - Cosine.similarity(x, y)

    @staticmethod
    @matrix
    def similarity_matrix(x: Tensor, y: Tensor) -> Tensor:
        """Return the cosines of all rows, shape (A, B)."""
        unit_x, unit_y = _unit_rows(x, y)
        return unit_x @ unit_y.T

    @staticmethod
    @matrix
    def distance_matrix(x: Tensor, y: Tensor) -> Tensor:
        """Return 1 - cosine of all rows, shape (A, B)."""
        unit_x, unit_y = _unit_rows(x, y)
        # One fused step: a matrix of this size takes longer to allocate than to fill.
        return torch.addmm(x.new_ones(1), unit_x, unit_y.T, alpha=-1)


def _unit_rows(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    unit_x = unit_vectors(x)
    return unit_x, unit_x if y is x else unit_vectors(y)
