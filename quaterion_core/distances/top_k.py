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
    best = queries.new_empty(len(queries), 0)
    positions = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
    if excluded is not None:
        rows, columns = (index.to(queries.device) for index in excluded)
    for start in range(0, len(corpus), CORPUS_BLOCK):
        block = corpus[start : start + CORPUS_BLOCK]
        scores = distance.similarity_matrix(queries, block)
        if excluded is not None:
            here = (columns >= start) & (columns < start + len(block))
            scores[rows[here], columns[here] - start] = -torch.inf
        top = scores.topk(min(count, len(block)), dim=1)
        candidates = torch.cat((best, top.values), dim=1)
        of_candidates = torch.cat((positions, top.indices + start), dim=1)
        best, order = candidates.topk(min(count, candidates.shape[1]), dim=1)
        positions = of_candidates.gather(1, order)
    return best, positions
