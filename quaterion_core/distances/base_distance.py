"""Interface of a distance and of the corresponding similarity."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class BaseDistance(ABC):
    """Interface of a distance between embeddings and of the corresponding similarity.

    Paired forms compare the rows of ``x`` with the same rows of ``y``; matrix forms compare
    every row of ``x`` with every row of ``y``, or of ``x`` without ``y``. Both forms give
    the same number for the same two rows. The larger the distance of a pair, the smaller its
    similarity.

    Results have the device and data type of the input. Half precision is widened to float32
    internally, also under autocast, since differences of nearly equal numbers would cancel out.
    Gradients are finite everywhere, including equal rows and zero rows.

    Raises:
        ValueError: The shapes are incompatible.
    """

    @staticmethod
    @abstractmethod
    def distance(x: Tensor, y: Tensor) -> Tensor:
        """Return the distances of paired rows: shapes (B, D) and (B, D) to (B,)."""

    @staticmethod
    @abstractmethod
    def similarity(x: Tensor, y: Tensor) -> Tensor:
        """Return the similarities of paired rows: shapes (B, D) and (B, D) to (B,)."""

    @staticmethod
    @abstractmethod
    def distance_matrix(x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the distances of all rows: shapes (A, D) and (B, D) to (A, B)."""

    @staticmethod
    @abstractmethod
    def similarity_matrix(x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the similarities of all rows: shapes (A, D) and (B, D) to (A, B)."""
