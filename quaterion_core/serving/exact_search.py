"""Exact nearest-neighbour search over the embeddings of a model, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from quaterion_core.dataset.object_digest import distinct_positions
from quaterion_core.distances import Distance
from quaterion_core.distances.top_k import top_k
from quaterion_core.model import SimilarityModel
from quaterion_core.utils.given import expected
from quaterion_core.utils.objects import positive_count


def check_query(query: Any) -> None:
    """Raise a ``TypeError`` for a list of texts, which are several queries."""
    if isinstance(query, (list, tuple)) and query and isinstance(query[0], str):
        raise TypeError(
            f"Expected one query, got a {type(query).__name__} of {len(query)}. Search for each: "
            "[index.search(query) for query in queries]."
        )


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A search result.

    Attributes:
        object: The indexed object.
        score: Its similarity to the query.
        position: Its position among the indexed objects; of equal ones that of the first.
    """

    object: Any
    score: float
    position: int


class ExactSearch:
    """Exact search by brute force, suitable for up to about a million objects.

    Objects of equal content are one document: they are embedded once, and found once, as the
    first of them.

    Args:
        model: Embeds objects and queries.
        objects: Objects to index.
        distance_metric_name: Distance whose similarity ranks; cosine by default.
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
        if isinstance(objects, (str, bytes)):
            raise expected("objects", "a list of objects", objects, f"Pass [{objects!r:.60}].")
        objects = list(objects)
        if not objects:
            raise ValueError("There is nothing to search in: objects is empty.")
        self._model = model
        self._positions = distinct_positions(objects)
        self._objects = [objects[position] for position in self._positions]
        self._distance = Distance.get_by_name(Distance(distance_metric_name))
        self._embeddings = model.encode(self._objects, batch_size=batch_size, to_numpy=False)

    def __len__(self) -> int:
        """Return the number of distinct objects."""
        return len(self._objects)

    def search(self, query: Any, top: int = 10) -> list[SearchResult]:
        """Return the most similar objects, best first.

        Args:
            query: A raw object.
            top: Maximum number of results.

        Raises:
            TypeError: ``top`` is not an integer.
            ValueError: ``top`` is less than 1.
        """
        top = positive_count(top, "top")
        check_query(query)
        embedding = self._model.encode([query], to_numpy=False)
        scores, found = top_k(embedding, self._embeddings, top, self._distance)
        return [
            SearchResult(self._objects[row], score, self._positions[row])
            for score, row in zip(scores[0].tolist(), found[0].tolist(), strict=True)
        ]
