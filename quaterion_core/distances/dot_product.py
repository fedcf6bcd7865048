"""Dot product similarity."""

from __future__ import annotations

from torch import Tensor

from quaterion_core.distances.base_distance import BaseDistance
from quaterion_core.distances.operands import matrix, paired


class DotProduct(BaseDistance):
    """Dot product similarity; the distance is its negative, which may be below zero.

    Example:
        >>> import torch
        >>> DotProduct.distance(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
        tensor([-11.])
    """

    @staticmethod
    @paired
    def similarity(x: Tensor, y: Tensor) -> Tensor:
        """Return the dot products of paired rows, shape (B,)."""
        return (x * y).sum(dim=1)

    @staticmethod
    @paired
    def distance(x: Tensor, y: Tensor) -> Tensor:
        """Return the negative dot products of paired rows, shape (B,)."""
        return -DotProduct.similarity(x, y)

    @staticmethod
    @matrix
    def similarity_matrix(x: Tensor, y: Tensor) -> Tensor:
        """Return the dot products of all rows, shape (A, B)."""
        return x @ y.T

    @staticmethod
    @matrix
    def distance_matrix(x: Tensor, y: Tensor) -> Tensor:
        """Return the negative dot products of all rows, shape (A, B)."""
        return -x @ y.T
