"""Euclidean distance."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from quaterion_core.distances.base_distance import BaseDistance
from quaterion_core.distances.operands import matrix, paired
from quaterion_core.utils.utils import vector_norm

_SQUARED_SAFELY: Final = (1e-15, 1e15)
"""Between these, sums of squares neither overflow nor vanish in float32."""


class Euclidean(BaseDistance):
    """Euclidean distance, ‖x - y‖₂; the similarity is 1/(1 + distance), in (0, 1].

    The gradient at distance 0 is 0.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
        >>> Euclidean.distance_matrix(x)
        tensor([[0., 5.],
                [5., 0.]])
        >>> Euclidean.similarity(x, x.flip(0))
        tensor([0.1667, 0.1667])
    """

    @staticmethod
    @paired
    def distance(x: Tensor, y: Tensor) -> Tensor:
        """Return the Euclidean distances of paired rows, shape (B,)."""
        return vector_norm(x - y, dim=1)

    @staticmethod
    @paired
    def similarity(x: Tensor, y: Tensor) -> Tensor:
        """Return 1/(1 + distance) of paired rows, shape (B,)."""
        return 1 / (1 + Euclidean.distance(x, y))

    @staticmethod
    @matrix
    def distance_matrix(x: Tensor, y: Tensor) -> Tensor:
        """Return the Euclidean distances of all rows, shape (A, B)."""
        if not len(x) or not len(y):
            return x @ y.T
        # Distances come from ‖x‖² + ‖y‖² - 2xy, whose terms cancel where embeddings lie far from
        # the origin and close together. Centering them does not change distances.
        center = y.detach().mean(dim=0)
        centered_x = x - center
        centered_y = centered_x if y is x else y - center
        distances = _distances(centered_x, centered_y)
        if y is not x:
            return distances
        itself = torch.eye(len(x), dtype=torch.bool, device=x.device)
        return distances.masked_fill(itself, 0.0)

    @staticmethod
    @matrix
    def similarity_matrix(x: Tensor, y: Tensor) -> Tensor:
        """Return 1/(1 + distance) of all rows, shape (A, B)."""
        return 1 / (1 + Euclidean.distance_matrix(x, y))


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """Return the distances of all rows, without squares beyond the range of the data type."""
    with torch.no_grad():
        largest = torch.maximum(x.abs().amax(), y.abs().amax())
        is_safe = bool((largest > _SQUARED_SAFELY[0]) & (largest < _SQUARED_SAFELY[1]))
        is_scaled = not is_safe and bool(torch.isfinite(largest) & (largest > 0))
    if not is_scaled:
        return torch.cdist(x, y)
    return torch.cdist(x / largest, y / largest) * largest
