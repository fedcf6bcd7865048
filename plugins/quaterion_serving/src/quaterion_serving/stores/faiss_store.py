"""Store in a folder with approximate search by FAISS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.serving.stores import (
    Condition,
    FolderState,
    FolderStore,
    Found,
    Vectors,
    scanned,
)
from quaterion_core.utils.ranges import Count
from quaterion_serving.stores.hnsw_graph import HnswGraph, Rows

_BLOCK: Final = 2**14
_BEHIND: Final = 10_000
"""Number of new rows that are added to the graph at once; a search scans those before."""

_GROWTH: Final = 1.25
"""Growth of the graph from which on it is saved again while it is written."""

_MOST_NEIGHBORS: Final = 256
_MOST_CANDIDATES: Final = 100_000

_SCANNED: Final = 0.05
"""Share of rows up to which those that a condition allows are scanned: it is faster, and exact."""


class FaissStore(FolderStore):
    """Approximate store in a folder: a graph leads to the nearest vectors of a query.

    The graph is that of hierarchical navigable small worlds (Malkov and Yashunin 2018) of FAISS,
    which finds most of the nearest vectors in a fraction of the time of :class:`ExactStore`, for
    large stores. Scores are exact. It is held in memory with its vectors: 1.7 GB for a million of
    384 dimensions.

    Vectors, ids and payloads are kept as in an exact store. The graph is kept beside them when the
    store is closed, and while it grows; what it lacks after an interruption is searched exactly
    until the next process that writes has caught up. It is read as numbers that are checked, never
    by FAISS itself, so that a folder can be opened that somebody else made.

    Args:
        location: The folder.
        m: Number of neighbors of a vector in the graph.
        ef_construction: Number of candidates when a vector is added: more make a better graph, in
            more time.
        ef_search: Number of candidates of a search: more find more of the nearest ones, in more
            time.

    Example:
        >>> import tempfile
        >>> store = FaissStore(tempfile.mkdtemp() + "/store")
        >>> store.create(2, Distance.COSINE, {})
        >>> store.upsert(["east", "north"], np.array([[1.0, 0.0], [0.0, 1.0]]), [{}, {}])
        >>> [hit.id for hit in store.search(np.array([[0.1, 2.0]]))[0]]
        ['north', 'east']
        >>> store.close()
    """

    def __init__(
        self, location: str, m: Count = 16, ef_construction: Count = 100, ef_search: Count = 256
    ):
        super().__init__(location)
        for name, value, most in (
            ("m", m, _MOST_NEIGHBORS),
            ("ef_construction", ef_construction, _MOST_CANDIDATES),
            ("ef_search", ef_search, _MOST_CANDIDATES),
        ):
            if value > most:
                raise ValueError(f"Expected {name} to be at most {most:,}, got {value:,}.")
        self._m, self._ef_construction, self._ef_search = m, ef_construction, ef_search
        self._graph: HnswGraph | None = None
        self._generation = -1
        self._saved = 0
        self._file_of_graph: tuple[int, int] | None = None
        self._writes = False

    def create(self, embedding_size: int, distance: Distance, metadata: Mapping[str, Any]) -> None:
        """Make a new, empty store; see :meth:`ExactStore.create`.

        Raises:
            ValueError: The distance is the Manhattan distance.
        """
        HnswGraph(embedding_size, Distance(distance), self._m, self._ef_construction)
        super().create(embedding_size, distance, metadata)

    def open(self, *, read_only: bool = True) -> None:
        """Open a store that exists; see :meth:`ExactStore.open`."""
        super().open(read_only=read_only)
        self._writes = not read_only

    def close(self) -> None:
        """Close the files; if the store was open for writing, save the graph."""
        try:
            if self._writes:
                self.read(self._finish)
        finally:
            self._graph, self._generation, self._writes = None, -1, False
            super().close()

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments of the constructor but the location, as JSON values."""
        return {
            "m": self._m,
            "ef_construction": self._ef_construction,
            "ef_search": self._ef_search,
        }

    def nearest(
        self, queries: Tensor, top: int, where: Condition | None, state: FolderState
    ) -> list[Found]:
        """Return the nearest vectors of each query that the graph leads to."""
        graph = self._graph_of(state)
        allowed = None if where is None else state.rows(where)
        few = allowed is not None and len(allowed) <= _SCANNED * state.counts.rows
        if graph.size == 0 or few:
            living = state.rows(None) if allowed is None else allowed
            return scanned(queries, top, state, self.metric, living)
        near = self._from_graph(graph, queries, top, allowed, state)
        scored = [
            self._scored(query, rows, state) for query, rows in zip(queries, near, strict=True)
        ]
        if graph.size < state.counts.rows:
            living = state.rows(None) if allowed is None else allowed
            behind = scanned(queries, top, state, self.metric, living, graph.size)
            scored = [[*found, *rest] for found, rest in zip(scored, behind, strict=True)]
        return [sorted(found, key=_by_score)[:top] for found in scored]

    def changed(self, state: FolderState) -> None:
        """Add new rows to the graph, once they are many."""
        if not self._writes:
            return
        graph = self._graph_of(state)
        if state.counts.rows - graph.size >= _BEHIND:
            self._extend(graph, state)
            if graph.size >= _GROWTH * self._saved:
                self._save(graph, state)

    def _finish(self, state: FolderState) -> None:
        graph = self._graph_of(state)
        self._extend(graph, state)
        if graph.size > self._saved:
            self._save(graph, state)

    def _extend(self, graph: HnswGraph, state: FolderState) -> None:
        for block in _blocks(state, graph.size):
            graph.add(block)

    def _save(self, graph: HnswGraph, state: FolderState) -> None:
        graph.save(self._path_of_graph(state.counts.generation))
        self._saved = graph.size
        for path in Path(self.location).glob("vectors-*.hnsw"):
            if path != self._path_of_graph(state.counts.generation):
                path.unlink(missing_ok=True)

    def _graph_of(self, state: FolderState) -> HnswGraph:
        """Return the graph of a state, which may lack its last rows."""
        path = self._path_of_graph(state.counts.generation)
        if self._graph is not None and self._generation == state.counts.generation:
            is_behind = state.counts.rows - self._graph.size >= _BEHIND
            if self._writes or not is_behind or _identity(path) == self._file_of_graph:
                return self._graph
        self._file_of_graph, self._generation = _identity(path), state.counts.generation
        self._graph = HnswGraph(self.embedding_size, self.distance, self._m, self._ef_construction)
        with suppress(FileNotFoundError):
            self._graph.load(path, _blocks(state, 0), state.counts.rows)
        self._saved = self._graph.size
        return self._graph

    def _path_of_graph(self, generation: int) -> Path:
        return Path(self.location) / f"vectors-{generation}.hnsw"

    def _from_graph(
        self, graph: HnswGraph, queries: Tensor, top: int, allowed: Rows | None, state: FolderState
    ) -> list[Rows]:
        """Return the rows of objects that the graph leads to, for each query."""
        dead = state.counts.rows - state.counts.objects
        if allowed is None and dead:
            # Rows that were replaced are found, too. Most often a few more rows make up for them.
            rows = graph.search(queries.numpy(), top + min(dead, top), ef=self._ef_search)
            living = state.table.by_row(set(rows[rows >= 0].tolist()))
            found = [of_query[np.isin(of_query, list(living))] for of_query in rows]
            if all(len(of_query) >= min(top, graph.size) for of_query in found):
                return found
            allowed = state.rows(None)
        rows = graph.search(queries.numpy(), top, ef=self._ef_search, allowed=allowed)
        return [of_query[of_query >= 0] for of_query in rows]

    def _scored(self, query: Tensor, rows: Rows, state: FolderState) -> Found:
        vectors = state.vectors.rows(rows, state.counts.rows)
        scores = self.metric.similarity_matrix(query.unsqueeze(0), vectors)[0]
        return list(zip(scores.tolist(), rows.tolist(), strict=True))


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from one that replaced it; ``None`` if there is none."""
    try:
        status = path.stat(follow_symlinks=False)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _by_score(found: tuple[float, int]) -> tuple[float, int]:
    return -found[0], found[1]


def _blocks(state: FolderState, first: int) -> Iterator[Vectors]:
    """Yield the vectors of a state from a row on."""
    for start in range(first, state.counts.rows, _BLOCK):
        stop = min(start + _BLOCK, state.counts.rows)
        yield state.vectors.block(start, stop, state.counts.rows).numpy()
