"""Exact top-k search in a corpus, in blocks of queries and blocks of the corpus."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from quaterion_core.distances.base_distance import BaseDistance

CORPUS_BLOCK: Final = 2**16
"""Number of objects of a corpus that are compared at once."""

MAX_BLOCK_ELEMENTS: Final = 2**24
"""Maximum number of similarities in memory at once: 64 MiB of float32."""


def queries_per_block(corpus_size: int) -> int:
    """Return the maximum number of queries per call of :func:`top_k` within the memory bound."""
    return max(1, MAX_BLOCK_ELEMENTS // max(1, min(corpus_size, CORPUS_BLOCK)))


def top_k(
    queries: Tensor,
    corpus: Tensor,
    count: int,
    distance: BaseDistance,
    excluded: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the most similar objects of each query, best first.

    Takes the memory of one block of similarities, Q x 65,536. Split many queries with
    :func:`queries_per_block`.

    Args:
        queries: Shape (Q, D).
        corpus: Shape (M, D).
        count: k, the number of objects to return.
        distance: Distance whose similarity ranks the objects.
        excluded: Row in ``queries`` and row in ``corpus`` of pairs that are left out.

    Returns:
        Similarities (Q, k) and rows of the corpus (Q, k), k = min(count, M). Where fewer than k
        are left, the similarity is minus infinity.

    Example:
        >>> from quaterion_core.distances import DotProduct
        >>> queries, corpus = torch.tensor([[1.0]]), torch.tensor([[3.0], [5.0], [4.0]])
        >>> top_k(queries, corpus, 2, DotProduct())
        (tensor([[5., 4.]]), tensor([[1, 2]]))
        >>> top_k(queries, corpus, 2, DotProduct(), (torch.tensor([0]), torch.tensor([1])))
        (tensor([[4., 3.]]), tensor([[2, 0]]))
    """
    best = Best(queries, count)
    if excluded is not None:
        rows, columns = (index.to(queries.device) for index in excluded)
    for start in range(0, len(corpus), CORPUS_BLOCK):
        block = corpus[start : start + CORPUS_BLOCK]
        scores = distance.similarity_matrix(queries, block)
        if excluded is not None:
            here = (columns >= start) & (columns < start + len(block))
            scores[rows[here], columns[here] - start] = -torch.inf
        best.add(scores, start)
    return best.scores, best.positions


class Best:
    """The highest scores of each query so far, and the positions that they belong to.

    Args:
        queries: Q queries, whose type and device the scores have.
        count: k, the number of scores to keep.

    Attributes:
        scores: Descending, shape (Q, at most k).
        positions: Shape (Q, at most k), int64.

    Example:
        >>> best = Best(torch.zeros(1, 3), count=2)
        >>> best.add(torch.tensor([[0.1, 0.9]]), start=0)
        >>> best.add(torch.tensor([[0.4, torch.nan]]), start=2)
        >>> best.scores, best.positions
        (tensor([[0.9000, 0.4000]]), tensor([[1, 2]]))
    """

    def __init__(self, queries: Tensor, count: int):
        self.scores = queries.new_empty(len(queries), 0)
        self.positions = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
        self._count = count

    def add(self, scores: Tensor, start: int) -> None:
        """Consider the scores of positions from ``start`` on, shape (Q, M); NaN is the lowest."""
        top = scores.topk(min(self._count, scores.shape[1]), dim=1)
        if top.values.isnan().any():
            top = scores.nan_to_num(nan=-torch.inf).topk(top.values.shape[1], dim=1)
        candidates = torch.cat((self.scores, top.values), dim=1)
        positions = torch.cat((self.positions, top.indices + start), dim=1)
        self.scores, order = candidates.topk(min(self._count, candidates.shape[1]), dim=1)
        self.positions = positions.gather(1, order)
