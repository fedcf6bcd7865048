"""Exact nearest-neighbour search over the embeddings of a model, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from quaterion_core.distances import Distance
from quaterion_core.model import SimilarityModel


@dataclass(frozen=True, slots=True)
class SearchResult:
    """An object that was found.

    Attributes:
        object: The object.
        score: Its similarity to the query.
        position: Its position among the indexed objects.
    """

    object: Any
    score: float
    position: int


class ExactSearch:
    """Compares every query with every object; exact, and fast up to about a million objects.

    Args:
        model: Embeds objects and queries.
        objects: What can be found.
        distance_metric_name: The similarity that ranks; cosine by default.
        batch_size: Number of objects to embed at once.

    Raises:
        ValueError: There are no objects.
    """

    def __init__(
        self,
        model: SimilarityModel,
        objects: Sequence[Any],
        distance_metric_name: Distance | str = Distance.COSINE,
        batch_size: int = 128,
    ):
        if not objects:
            raise ValueError("There is nothing to search in: objects is empty.")
        self._model = model
        self._objects = list(objects)
        self._distance = Distance.get_by_name(Distance(distance_metric_name))
        self._embeddings = model.encode(self._objects, batch_size=batch_size, to_numpy=False)

    def __len__(self) -> int:
        return len(self._objects)

    def search(self, query: Any, top: int = 10) -> list[SearchResult]:
        """Return the most similar objects, best first.

        Args:
            query: A raw object.
            top: How many to return at the most.
        """
        embedding = self._model.encode([query], to_numpy=False)
        scores = self._distance.similarity_matrix(embedding, self._embeddings)[0]
        best = torch.topk(scores, min(top, len(self._objects)))
        return [
            SearchResult(self._objects[position], score, position)
            for score, position in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]
