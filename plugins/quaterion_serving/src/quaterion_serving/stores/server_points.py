"""Points on a server or a cluster of Qdrant."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from quaterion_core.distances import Distance
from quaterion_core.storage import InvalidFolderError, NotWritableError
from quaterion_serving.stores.points import TAGS, Clause, FoundPoint, built

KEY: Final = "QDRANT_API_KEY"
_TIMEOUT: Final = 60
_AT_ONCE: Final = 256
_DISTANCES: Final = {
    Distance.COSINE: models.Distance.COSINE,
    Distance.DOT_PRODUCT: models.Distance.DOT,
    Distance.EUCLIDEAN: models.Distance.EUCLID,
    Distance.MANHATTAN: models.Distance.MANHATTAN,
}


class ServerPoints:
    """Points of a collection on a server, whose key is in the environment variable QDRANT_API_KEY.

    Args:
        url: Address of the server.
        collection: The collection.
        ef_search: Number of candidates of a search.
    """

    def __init__(self, url: str, collection: str, ef_search: int):
        self._url, self._collection = url, collection
        self._parameters = models.SearchParams(hnsw_ef=ef_search)
        self._client: QdrantClient | None = None

    def connected(self) -> QdrantClient:
        """Return a client of the server."""
        return QdrantClient(
            url=self._url, api_key=os.environ.get(KEY) or None, timeout=_TIMEOUT,
            check_compatibility=False,
        )  # fmt: skip

    def exists(self) -> bool:
        """Return whether there is a collection."""
        with self._explained() as client:
            return client.collection_exists(self._collection)

    def create(self, embedding_size: int, distance: Distance) -> None:
        """Make an empty collection."""
        vectors = models.VectorParams(size=embedding_size, distance=_DISTANCES[distance])
        with self._explained() as client:
            client.create_collection(self._collection, vectors_config=vectors)
            schema = models.PayloadSchemaType.KEYWORD
            client.create_payload_index(self._collection, TAGS, field_schema=schema)

    def open(self) -> None:
        """Open the collection, which exists: there is nothing to do."""

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
        self._client = None

    def upsert(
        self, ids: Sequence[str], vectors: Sequence[list[float]], payloads: Sequence[dict[str, Any]]
    ) -> None:
        """Add or replace points, in parts."""
        with self._explained() as client:
            for start in range(0, len(ids), _AT_ONCE):
                part = slice(start, start + _AT_ONCE)
                batch = models.Batch(
                    ids=list(ids[part]), vectors=list(vectors[part]), payloads=list(payloads[part])
                )
                client.upsert(self._collection, points=batch, wait=True)

    def delete(self, ids: Sequence[str]) -> None:
        """Remove points."""
        selector = models.PointIdsList(points=list(ids))
        with self._explained() as client:
            client.delete(self._collection, points_selector=selector, wait=True)

    def retrieve(self, ids: Sequence[str]) -> dict[str, FoundPoint]:
        """Return those of the points that exist, by id."""
        with self._explained() as client:
            found = client.retrieve(self._collection, ids=list(ids), with_payload=True)
        return {str(point.id): FoundPoint(point.payload or {}) for point in found}

    def query(self, vector: list[float], limit: int, clause: Clause) -> list[FoundPoint]:
        """Return the nearest points for which a clause holds."""
        with self._explained() as client:
            found = client.query_points(
                self._collection, query=vector, limit=limit, with_payload=True,
                query_filter=models.Filter(must=[_condition(clause)]),
                search_params=self._parameters,
            )  # fmt: skip
        return [FoundPoint(point.payload or {}, point.score) for point in found.points]

    def count(self, clause: Clause) -> int:
        """Return the number of points for which a clause holds."""
        condition = models.Filter(must=[_condition(clause)])
        with self._explained() as client:
            return client.count(self._collection, count_filter=condition, exact=True).count

    @contextmanager
    def _explained(self) -> Iterator[QdrantClient]:
        """Yield the client, and say what to do about errors of the server."""
        if self._client is None:
            self._client = self.connected()
        try:
            yield self._client
        except ResponseHandlingException as error:
            raise NotWritableError(
                f"The server {self._url} cannot be reached: {error}. Check the address, and that "
                "the server runs."
            ) from error
        except UnexpectedResponse as error:
            if error.status_code in (401, 403):
                raise PermissionError(
                    f"The server {self._url} refuses the key. Set the environment variable {KEY}."
                ) from error
            reason = error.content.decode(errors="replace")[:500]
            raise InvalidFolderError(
                f"The server {self._url} answered {error.status_code} for the collection "
                f"{self._collection!r}: {reason}"
            ) from error


def _condition(clause: Clause) -> models.Condition:
    condition: models.Condition = built(
        clause,
        lambda tags: models.FieldCondition(key=TAGS, match=models.MatchAny(any=tags)),
        lambda key, bounds: models.FieldCondition(key=key, range=models.Range(**bounds)),
        models.Filter,
    )
    return condition
