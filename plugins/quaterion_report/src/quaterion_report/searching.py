"""One search of all queries: neighbors, ranks, and similarities of pairs, in blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from quaterion_core.distances import Distance
from quaterion_core.eval.ranking import Needs, rank_matrix, relevant
from quaterion_report.corpus import Corpus
from quaterion_report.report_data import Similarities

BINS: Final = 2048


@dataclass(frozen=True)
class Search:
    """What the queries find. Objects are given by their numbers in the corpus.

    Attributes:
        queries: The Q distinct queries, shape (Q,).
        candidates: The M distinct candidates, shape (M,).
        neighbors: The k nearest candidates of each query, shape (Q, k); -1 where there are fewer.
        similarities: Of these to the query, shape (Q, k).
        is_relevant: Whether these are relevant, shape (Q, k), bool.
        ranks: Rank of the first relevant candidate, from 1, shape (Q,); 0 where there is none.
        nearest_relevant: The nearest relevant candidate of each query, shape (Q,).
        is_answerable: Whether anything is relevant to the query, shape (Q,), bool.
        pairs: Similarities of all queries to all candidates.
    """

    queries: Tensor
    candidates: Tensor
    neighbors: Tensor
    similarities: Tensor
    is_relevant: Tensor
    ranks: Tensor
    nearest_relevant: Tensor
    is_answerable: Tensor
    pairs: Similarities


@torch.no_grad()
def search(corpus: Corpus, embeddings: Tensor, distance_name: Distance, k: int) -> Search:
    """Let all queries of a corpus search its candidates.

    Of a relevant and another candidate at the same distance, the relevant one counts as farther.

    Args:
        corpus: What is searched.
        embeddings: Embeddings of its objects, shape (N, D).
        distance_name: The distance.
        k: Number of nearest candidates to return.
    """
    distance = Distance.get_by_name(distance_name)
    retrieval = corpus.retrieval(embeddings)
    number = corpus.number.to(embeddings.device)
    candidates = number[retrieval.candidates]
    low, high = _range(corpus, embeddings, distance_name)
    counts = torch.zeros(2, BINS, dtype=torch.int64)
    parts = []
    for queries in retrieval.query_blocks():
        distances = retrieval.distance_matrix(distance, queries)
        labels = retrieval.labels(corpus.metric_type.prepare_labels, queries)
        relevance = relevant(distances, labels)
        ranking = rank_matrix(distances, labels, Needs(nearest=k, first_rank=True))
        columns = ranking.found.clamp(min=0)
        is_there = ranking.found >= 0
        similarities = _similarities(distances, distance_name).clamp(low, high)
        answers = distances.masked_fill(~relevance, torch.inf).argmin(dim=1)
        found = candidates[columns].masked_fill(~is_there, -1)
        matching = torch.histc(similarities[relevance], BINS, low, high).long().cpu()
        others = torch.histc(similarities, BINS, low, high).long().cpu() - matching
        # A query itself is infinitely far, in the first bin after clamping.
        others[0] -= int((distances == torch.inf).sum())
        counts += torch.stack((matching, others))
        parts.append(
            (
                number[queries],
                found,
                similarities.gather(1, columns),
                relevance.gather(1, columns) & is_there,
                ranking.first_rank,
                candidates[answers],
                ranking.is_answered,
            )
        )
    queries, neighbors, near, is_relevant, ranks, nearest, answerable = (
        torch.cat(several).cpu() for several in zip(*parts, strict=True)
    )
    matching, others = counts.tolist()
    return Search(
        queries, candidates.cpu(), neighbors, near, is_relevant, ranks, nearest, answerable,
        Similarities(low=low, high=high, matching=matching, others=others),
    )  # fmt: skip


def success_at(search_: Search, k: int) -> Tensor:
    """Return whether each answerable query finds a relevant object among its k nearest: (Q',)."""
    return search_.ranks[search_.is_answerable] <= k


def _similarities(distances: Tensor, name: Distance) -> Tensor:
    """Return the similarities that belong to distances."""
    if name is Distance.COSINE:
        return 1 - distances
    if name is Distance.DOT_PRODUCT:
        return -distances
    return 1 / (1 + distances)


def _range(corpus: Corpus, embeddings: Tensor, name: Distance) -> tuple[float, float]:
    """Return bounds of all similarities."""
    if name is Distance.COSINE:
        return -1.0, 1.0
    if name is Distance.DOT_PRODUCT:
        bound = float(embeddings.float().norm(dim=1).max().square()) or 1.0
        return -bound, bound
    return 0.0, 1.0
