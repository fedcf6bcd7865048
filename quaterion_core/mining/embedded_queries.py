"""Embeddings of queries and targets by one model."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from quaterion_core.distances import BaseDistance
from quaterion_core.mining.queries import Queries
from quaterion_core.model import SimilarityModel
from quaterion_core.utils.precision import at_least_float32

_PAIRS_AT_ONCE: Final = 2**16


class EmbeddedQueries:
    """Embeddings of queries and targets, and the similarities between them.

    Args:
        queries: Queries and targets.
        model: Embeds them, in evaluation mode, on its device.
        distance: Distance whose similarity is computed.
        batch_size: Number of objects to embed at once.

    Attributes:
        queries: Embeddings of the queries, shape (Q, D), on the model's device.
        targets: Embeddings of the targets, shape (T, D), the corpus first.
        positive_scores: Similarity of each query to its least similar partner, shape (Q,).
    """

    def __init__(
        self, queries: Queries, model: SimilarityModel, distance: BaseDistance, batch_size: int
    ):
        self._distance = distance
        self.queries, self.targets = (
            at_least_float32(model.encode(objects, batch_size=batch_size, to_numpy=False))
            for objects in (queries.objects, queries.targets)
        )
        of_query, target = queries.partners.unbind(dim=1)
        self.positive_scores = self.queries.new_empty(len(self.queries)).scatter_reduce_(
            0,
            of_query.to(self.queries.device),
            self.scores(of_query, target),
            "amin",
            include_self=False,
        )

    def scores(self, queries: Tensor, targets: Tensor) -> Tensor:
        """Return the similarities of pairs of a query and a target: (N,) and (N,) to (N,)."""
        parts = [
            self._distance.similarity(self.queries[of_query], self.targets[of_target])
            for of_query, of_target in zip(
                torch.split(queries.to(self.queries.device), _PAIRS_AT_ONCE),
                torch.split(targets.to(self.queries.device), _PAIRS_AT_ONCE),
                strict=True,
            )
        ]
        return torch.cat(parts)
