"""Graph of an approximate search: hierarchical navigable small worlds, by FAISS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save

from quaterion_core.distances import Distance
from quaterion_core.serving.stores import Vectors
from quaterion_core.storage import InvalidFolderError, whole_file
from quaterion_core.storage.regular_files import open_regular_file
from quaterion_core.storage.tensor_files import TensorFile

Rows: TypeAlias = npt.NDArray[np.int64]

_MOST_LEVELS: Final = 16


class HnswGraph:
    """Graph whose nodes are the rows of a store (Malkov and Yashunin 2018), and their vectors.

    Args:
        embedding_size: Size D of the vectors.
        distance: Cosine, of unit vectors, dot product or Euclidean distance.
        m: Number of neighbors of a node; twice as many in the lowest level.
        ef_construction: Number of candidates when a node is added.

    Raises:
        ValueError: The distance is another one.

    Example:
        >>> graph = HnswGraph(2, Distance.EUCLIDEAN, m=4, ef_construction=16)
        >>> graph.add(np.array([[0, 0], [1, 0], [5, 5]], dtype=np.float32))
        >>> graph.search(np.array([[4, 4]], dtype=np.float32), 2, ef=16)
        array([[2, 1]])
    """

    def __init__(self, embedding_size: int, distance: Distance, m: int, ef_construction: int):
        import faiss

        metrics = {
            Distance.COSINE: faiss.METRIC_INNER_PRODUCT,
            Distance.DOT_PRODUCT: faiss.METRIC_INNER_PRODUCT,
            Distance.EUCLIDEAN: faiss.METRIC_L2,
        }
        if distance not in metrics:
            raise ValueError(
                f"Expected a distance of {', '.join(known.value for known in metrics)} for the "
                f"store faiss, got {distance.value}. Choose the store exact."
            )
        self._faiss: Any = faiss
        self._index: Any = faiss.IndexHNSWFlat(embedding_size, m, metrics[distance])
        self._index.hnsw.efConstruction = ef_construction
        self._m = m

    @property
    def size(self) -> int:
        """Number of nodes."""
        size: int = self._index.ntotal
        return size

    def add(self, vectors: Vectors) -> None:
        """Add nodes for further rows, shape (N, D)."""
        self._index.add(np.ascontiguousarray(vectors))

    def search(self, queries: Vectors, top: int, *, ef: int, allowed: Rows | None = None) -> Rows:
        """Return the rows that are nearest to queries.

        Args:
            queries: Shape (Q, D).
            top: Number of rows of each.
            ef: Number of candidates, at least ``top``.
            allowed: Rows to search, ascending; by default all.

        Returns:
            Shape (Q, top); -1 where fewer were found.
        """
        selector = None
        if allowed is not None:
            bits = np.zeros(self.size, dtype=bool)
            bits[allowed[allowed < self.size]] = True
            packed = np.packbits(bits, bitorder="little")  # is kept while it is used
            selector = self._faiss.IDSelectorBitmap(packed)
        parameters = self._faiss.SearchParametersHNSW(sel=selector, efSearch=max(ef, top))
        given = np.ascontiguousarray(queries)
        scores = np.empty((len(given), top), dtype=np.float32)
        rows = np.empty((len(given), top), dtype=np.int64)
        # The method of FAISS itself: importing faiss.contrib.torch_utils, as other packages do,
        # replaces `search` by one without parameters.
        pointer = self._faiss.swig_ptr
        self._index.search_c(
            len(given), pointer(given), top, pointer(scores), pointer(rows), parameters
        )
        return rows

    def save(self, path: Path) -> None:
        """Write the graph, without its vectors, to a file: whole or not at all."""
        graph = self._index.hnsw
        tensors = {
            "levels": _tensor(self._faiss.vector_to_array(graph.levels)),
            "neighbors": _tensor(self._faiss.vector_to_array(graph.neighbors)),
            "entry": torch.tensor([graph.entry_point], dtype=torch.int64),
        }
        with whole_file(path) as stream:
            stream.write(save(tensors))

    def load(self, path: Path, vectors: Iterator[Vectors], rows: int) -> None:
        """Read a graph into this one, which is empty, from an untrusted file.

        Args:
            path: The file.
            vectors: The vectors of the store, block by block.
            rows: Number of rows of the store.

        Raises:
            FileNotFoundError: There is no file.
            InvalidFolderError: It holds no graph of at most so many rows.
        """
        levels, neighbors, entry = _read(path)
        self._check(path, levels, neighbors, entry, rows)
        graph = self._index.hnsw
        size = len(levels)
        copy = self._faiss.copy_array_to_vector
        copy(levels, graph.levels)
        copy(self._offsets(levels).astype(np.uint64), graph.offsets)
        copy(neighbors, graph.neighbors)
        graph.entry_point = entry
        graph.max_level = int(levels.max()) - 1
        storage = self._faiss.downcast_index(self._index.storage)
        for block in vectors:
            storage.add(np.ascontiguousarray(block[: size - storage.ntotal]))
            if storage.ntotal == size:
                break
        self._index.ntotal = size

    def _offsets(self, levels: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """Return where the neighbors of each node begin, and behind them the total."""
        lengths = self._m * (levels.astype(np.int64) + 1)
        return np.concatenate([np.zeros(1, dtype=np.int64), lengths.cumsum()])

    def _check(
        self,
        path: Path,
        levels: npt.NDArray[np.int32],
        neighbors: npt.NDArray[np.int32],
        entry: int,
        rows: int,
    ) -> None:
        """Check that FAISS can follow every neighbor without leaving the graph.

        Raises:
            InvalidFolderError: It could not.
        """
        size = len(levels)
        fits = 0 < size <= rows and levels.min() >= 1 and levels.max() <= _MOST_LEVELS
        if fits:
            offsets = self._offsets(levels)
            fits = len(neighbors) == offsets[-1] and 0 <= entry < size
            fits = fits and levels[entry] == levels.max()
            fits = fits and neighbors.min() >= -1 and neighbors.max() < size
        for level in range(1, int(levels.max()) if fits else 1):
            nodes = np.flatnonzero(levels > level)
            begin = offsets[nodes] + self._m * (level + 1)
            found = neighbors[begin[:, None] + np.arange(self._m)]
            fits = fits and bool((levels[found[found >= 0]] > level).all())
        if not fits:
            raise InvalidFolderError(
                f"{path} is damaged: it holds no graph of the vectors beside it. Remove it; it is "
                "made again."
            )


def _tensor(values: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.int32))


def _read(path: Path) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], int]:
    descriptor = open_regular_file(path)
    try:
        file = TensorFile(descriptor, str(path))
        expected = {"levels": torch.int32, "neighbors": torch.int32, "entry": torch.int64}
        stated = {name: info.dtype for name, info in file.tensors.items() if len(info.shape) == 1}
        if stated != expected or file.tensors["entry"].elements != 1:
            raise InvalidFolderError(f"{path} is damaged: it holds no graph. Remove it.")
        tensors = dict(file.read())
    finally:
        os.close(descriptor)
    return tensors["levels"].numpy(), tensors["neighbors"].numpy(), int(tensors["entry"])
