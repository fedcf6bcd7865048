"""Points in this process, by Qdrant Edge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import qdrant_edge as edge

from quaterion_core.distances import Distance
from quaterion_core.storage import InvalidFolderError, NotWritableError
from quaterion_serving.stores.points import TAGS, Clause, FoundPoint, built

_DISTANCES: Final = {
    Distance.COSINE: edge.Distance.Cosine,
    Distance.DOT_PRODUCT: edge.Distance.Dot,
    Distance.EUCLIDEAN: edge.Distance.Euclid,
    Distance.MANHATTAN: edge.Distance.Manhattan,
}


class EdgePoints:
    """Points in a folder, which one process opens at a time.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._opened: Any = None
        self._has_changed = False

    def exists(self) -> bool:
        """Return whether there is a collection."""
        return (self._folder / "edge_config.json").is_file()

    def create(self, embedding_size: int, distance: Distance) -> None:
        """Make an empty collection."""
        vectors = edge.EdgeVectorParams(size=embedding_size, distance=_DISTANCES[distance])
        with self._explained():
            self._folder.mkdir(parents=True, exist_ok=True)
            config = edge.EdgeConfig(vectors=vectors, wal_enabled=True)
            self._opened = edge.EdgeShard.create(str(self._folder), config)
            schema = edge.PayloadSchemaType.Keyword
            self._update(edge.UpdateOperation.create_field_index(TAGS, schema))

    def open(self) -> None:
        """Open the collection, which exists."""
        with self._explained():
            self._opened = edge.EdgeShard.load(str(self._folder))

    def close(self) -> None:
        """Build the index of what has changed, and release all resources."""
        if self._opened is None:
            return
        with self._explained():
            if self._has_changed:
                self._opened.optimize()
            self._opened.close()
        self._opened, self._has_changed = None, False

    def upsert(
        self, ids: Sequence[str], vectors: Sequence[list[float]], payloads: Sequence[dict[str, Any]]
    ) -> None:
        """Add or replace points."""
        points = [edge.Point(*point) for point in zip(ids, vectors, payloads, strict=True)]
        with self._explained():
            self._update(edge.UpdateOperation.upsert_points(points))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove points."""
        with self._explained():
            self._update(edge.UpdateOperation.delete_points(list(ids)))

    def retrieve(self, ids: Sequence[str]) -> dict[str, FoundPoint]:
        """Return those of the points that exist, by id."""
        with self._explained():
            found = self._shard.retrieve(list(ids), with_payload=True, with_vector=False)
        return {str(point.id): FoundPoint(point.payload or {}) for point in found}

    def query(self, vector: list[float], limit: int, clause: Clause) -> list[FoundPoint]:
        """Return the nearest points for which a clause holds."""
        request = edge.QueryRequest(
            limit=limit,
            query=edge.Query.Nearest(vector),
            with_payload=True,
            filter=edge.Filter(must=[_condition(clause)]),
        )
        with self._explained():
            found = self._shard.query(request)
        return [FoundPoint(point.payload or {}, point.score) for point in found]

    def count(self, clause: Clause) -> int:
        """Return the number of points for which a clause holds."""
        condition = edge.Filter(must=[_condition(clause)])
        with self._explained():
            return int(self._shard.count(edge.CountRequest(exact=True, filter=condition)))

    @property
    def _shard(self) -> Any:
        if self._opened is None:
            raise RuntimeError("Expected a store that is open. Call open() or create() first.")
        return self._opened

    def _update(self, operation: Any) -> None:
        self._shard.update(operation)
        self._shard.flush()
        self._has_changed = True

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what to do about an error of Qdrant Edge, which raises one kind only."""
        try:
            yield
        except (RuntimeError, OSError):
            raise
        except Exception as error:
            if "WouldBlock" in str(error):
                raise NotWritableError(
                    f"{self._folder} is open in another process, and Qdrant Edge allows one at a "
                    "time. Close it there, or use a server: qdrant://HOST:PORT/COLLECTION."
                ) from error
            raise InvalidFolderError(f"{self._folder} cannot be used: {error}") from error


def _condition(clause: Clause) -> Any:
    return built(
        clause,
        lambda tags: edge.FieldCondition(TAGS, match=edge.MatchAny(tags)),
        lambda key, bounds: edge.FieldCondition(key, range=edge.RangeFloat(**bounds)),
        edge.Filter,
    )
