"""The nearest objects of a corpus, exactly, in blocks of queries and blocks of the corpus."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from quaterion_core.distances import BaseDistance

CORPUS_BLOCK: Final = 2**16
"""Objects of a corpus that are compared at once."""

MAX_BLOCK_ELEMENTS: Final = 2**24
"""The most similarities that are in memory at once: 64 MiB of float32."""


def queries_per_block(corpus_size: int) -> int:
    """Return how many queries may be compared with the blocks of a corpus at once."""
    return max(1, MAX_BLOCK_ELEMENTS // max(1, min(corpus_size, CORPUS_BLOCK)))


def nearest(
    queries: Tensor,
    corpus: Tensor,
    count: int,
    distance: BaseDistance,
    forbidden: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """Return the most similar objects of each query, best first.

    Args:
        queries: One block of queries, shape (Q, D).
        corpus: Shape (M, D).
        count: How many to return.
        distance: The distance whose similarity ranks.
        forbidden: Row and column of pairs that are left out.

    Returns:
        Similarities (Q, k) and positions in the corpus (Q, k), k = min(count, M). Where fewer than
        k are left, the similarity is minus infinity.

    Example:
        >>> from quaterion_core.distances import DotProduct
        >>> queries, corpus = torch.tensor([[1.0]]), torch.tensor([[3.0], [5.0], [4.0]])
        >>> nearest(queries, corpus, 2, DotProduct(), (torch.tensor([0]), torch.tensor([1])))
        (tensor([[4., 3.]]), tensor([[2, 0]]))
    """
    best = queries.new_empty(len(queries), 0)
    positions = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
    rows, columns = (index.to(queries.device) for index in forbidden)
    for start in range(0, len(corpus), CORPUS_BLOCK):
        block = corpus[start : start + CORPUS_BLOCK]
        scores = distance.similarity_matrix(queries, block)
        here = (columns >= start) & (columns < start + len(block))
        scores[rows[here], columns[here] - start] = -torch.inf
        top = scores.topk(min(count, len(block)), dim=1)
        candidates = torch.cat((best, top.values), dim=1)
        of_candidates = torch.cat((positions, top.indices + start), dim=1)
        best, order = candidates.topk(min(count, candidates.shape[1]), dim=1)
        positions = of_candidates.gather(1, order)
    return best, positions
