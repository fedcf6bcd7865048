"""The interface of a distance, and of the similarity that belongs to it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class BaseDistance(ABC):
    """How far apart embeddings are, and how similar.

    Paired forms compare the rows of ``x`` with the same rows of ``y``; matrix forms compare
    every row of ``x`` with every row of ``y``, or of ``x`` where ``y`` is left out. Both forms
    give the same number for the same two rows. A distance orders pairs as its similarity does,
    the other way round.

    All of it keeps device and data type. Half precision is widened to float32 on the way, also
    under autocast, since differences of nearly equal numbers do not survive it. Gradients are
    finite everywhere, at equal rows and at zero rows too.

    Raises:
        ValueError: The shapes do not fit together.
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
