"""Scan: queries compared with all vectors of a store, in blocks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from quaterion_core.distances import BaseDistance
from quaterion_core.distances.top_k import CORPUS_BLOCK, Best
from quaterion_core.serving.stores.folder_store import FolderState, Found


def scanned(
    queries: Tensor,
    top: int,
    state: FolderState,
    metric: BaseDistance,
    allowed: npt.NDArray[np.int64] | None = None,
    first: int = 0,
) -> list[Found]:
    """Return score and row of the nearest vectors of each query, best first.

    Args:
        queries: Shape (Q, D).
        top: Maximum number of results of each.
        state: What is searched.
        metric: Distance whose similarity is the score.
        allowed: Rows to search, ascending; by default all.
        first: The first row to search.
    """
    vectors, rows = state.vectors, state.counts.rows
    best = Best(queries, top)
    size = vectors.rows_at_once(CORPUS_BLOCK)
    for start in range(first, rows, size):
        stop = min(start + size, rows)
        if allowed is None:
            best.add(metric.similarity_matrix(queries, vectors.block(start, stop, rows)), start)
            continue
        here = allowed[np.searchsorted(allowed, start) : np.searchsorted(allowed, stop)]
        if not len(here):
            continue
        scores = metric.similarity_matrix(queries, vectors.block(start, stop, rows))
        hidden = torch.ones(stop - start, dtype=torch.bool)
        hidden[torch.from_numpy(here - start)] = False
        best.add(scores.masked_fill_(hidden, -torch.inf), start)
    return [
        [(score, row) for score, row in zip(*of_query, strict=True) if score > -np.inf]
        for of_query in zip(best.scores.tolist(), best.positions.tolist(), strict=True)
    ]
