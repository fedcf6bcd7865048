"""Manhattan distance."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from quaterion_core.distances.base_distance import BaseDistance
from quaterion_core.distances.operands import matrix, paired

_BACKWARD_VALUES: Final = 2**24
"""Maximum number of values for the gradient of a block of rows on a GPU: 64 MiB in float32."""


class Manhattan(BaseDistance):
    """Manhattan distance, Σ|x - y|; the similarity is 1/(1 + distance), in (0, 1].

    The gradient of a coordinate is the sign of the difference, 0 for equal coordinates.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
        >>> Manhattan.distance_matrix(x)
        tensor([[0., 7.],
                [7., 0.]])
        >>> Manhattan.similarity(x, x.flip(0))
        tensor([0.1250, 0.1250])
    """

    @staticmethod
    @paired
    def distance(x: Tensor, y: Tensor) -> Tensor:
        """Return the Manhattan distances of paired rows, shape (B,)."""
        return (x - y).abs().sum(dim=1)

    @staticmethod
    @paired
    def similarity(x: Tensor, y: Tensor) -> Tensor:
        """Return 1/(1 + distance) of paired rows, shape (B,)."""
        return 1 / (1 + Manhattan.distance(x, y))

    @staticmethod
    @matrix
    def distance_matrix(x: Tensor, y: Tensor) -> Tensor:
        """Return the Manhattan distances of all rows, shape (A, B)."""
        if x.device.type == "cpu":
            return torch.cdist(x, y, p=1.0)
        # On a GPU the backward pass of cdist writes one value for every row of x, row of y and
        # column, A·B·D in all. In blocks of rows it stays bounded.
        rows = max(1, _BACKWARD_VALUES // max(1, y.numel()))
        return torch.cat([torch.cdist(block, y, p=1.0) for block in torch.split(x, rows)])

    @staticmethod
    @matrix
    def similarity_matrix(x: Tensor, y: Tensor) -> Tensor:
        """Return 1/(1 + distance) of all rows, shape (A, B)."""
        return 1 / (1 + Manhattan.distance_matrix(x, y))
