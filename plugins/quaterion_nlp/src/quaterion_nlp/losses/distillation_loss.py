"""Base class of losses that learn from a teacher's scores of the pairs of a query."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.distances import Distance
from quaterion_core.loss import PairwiseLoss
from quaterion_core.utils.precision import embeddings_for_loss
from quaterion_core.utils.ranges import PositiveFloat


class DistillationLoss(PairwiseLoss):
    """Base class of losses that compare the model's scores of a query's pairs with a teacher's.

    A pair is (query, document), its label is the score that the teacher assigns to it, on any
    scale, and its subgroup identifies the query. A query needs at least two pairs in a batch, such
    as one with a relevant document and one with another. Pairs without a subgroup, or alone in
    their subgroup, are ignored.

    Args:
        scale: Factor of the similarities. Dot products of long embeddings can reach a teacher's
            scores without a factor; cosines, between -1 and 1, need one.
        distance_metric_name: Distance whose similarity is the score of the model.

    Raises:
        ValueError: ``scale`` is not positive.
    """

    def __init__(
        self,
        scale: PositiveFloat = 1.0,
        distance_metric_name: Distance | str = Distance.DOT_PRODUCT,
    ):
        super().__init__(distance_metric_name)
        if scale <= 0:
            raise ValueError(f"Expected scale to be positive, got {scale}.")
        self.scale = scale

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this loss, as JSON values."""
        return {**super().get_config_dict(), "scale": self.scale}

    @abstractmethod
    def query_loss(
        self, scores: Tensor, teacher_scores: Tensor, queries: Tensor, pair_counts: Tensor
    ) -> Tensor:
        """Compute the loss of M pairs of Q queries, each with at least two pairs.

        Args:
            scores: The model's scores of the pairs, shape (M,), at least float32.
            teacher_scores: The teacher's scores of the pairs, shape (M,).
            queries: Query of each pair, 0 to Q - 1, shape (M,), int64.
            pair_counts: Number of pairs of each query, shape (Q,), int64.

        Returns:
            A scalar.
        """

    def forward(
        self,
        embeddings: Tensor,
        pairs: Tensor,
        labels: Tensor,
        subgroups: Tensor,
        objects: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Compute the loss of a batch.

        Args:
            embeddings: Shape (N, D).
            pairs: Rows of ``embeddings`` that form each pair, shape (B, 2).
            labels: The teacher's scores of the pairs, shape (B,).
            subgroups: Query of each object, shape (N,), int64.
            objects: Ids of the objects; ignored, as subgroups identify queries.
            **kwargs: Other targets, ignored.

        Returns:
            A scalar; 0 if no query has two pairs.
        """
        subgroups = self.check_batch(embeddings, pairs, labels, subgroups)
        stated = subgroups[pairs[:, 0]]
        _, queries, counts = torch.unique(stated, return_inverse=True, return_counts=True)
        is_compared = (stated != NO_SUBGROUP) & (counts[queries] > 1)
        embeddings = embeddings_for_loss(embeddings)
        if not is_compared.any():
            return self.nothing_to_learn(embeddings)
        rows_a, rows_b = pairs[is_compared].unbind(dim=1)
        similarities = self.distance_metric.similarity(embeddings[rows_a], embeddings[rows_b])
        _, queries, counts = torch.unique(
            stated[is_compared], return_inverse=True, return_counts=True
        )
        return self.query_loss(
            self.scale * similarities,
            labels[is_compared].to(similarities.dtype),
            queries,
            counts,
        )


def sum_by_query(values: Tensor, queries: Tensor, query_count: int) -> Tensor:
    """Return the sum of the values of each query: (M,) and (M,) to (Q,).

    Example:
        >>> sum_by_query(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1, 0, 1]), 2)
        tensor([2., 5.])
    """
    return values.new_zeros(query_count).index_add(0, queries, values)
