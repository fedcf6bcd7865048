"""Ranking of candidates by their similarity to queries, with ties to the disadvantage of the model.

Of a relevant and an irrelevant object with the same score, the irrelevant one counts as nearer.
Metrics then depend on the scores alone, not on the order of the data, and a model that maps
everything to one point scores 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import eq, ge
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from quaterion_core.eval.relevance import BlockRelevance, DenseRelevance
from quaterion_core.utils.ranges import Count

_SORT_ABOVE: Final = 64
"""Number of ranks per query above which sorting all scores is faster than counting for each."""


def check_k(k: int) -> None:
    """Raise a ``ValueError`` unless k can be a number of nearest objects."""
    if k < 1:
        raise ValueError(f"Expected k, the number of nearest objects, to be 1 or more, got {k}.")


@dataclass(frozen=True)
class Needs:
    """What a metric needs to know of the ranking of each query.

    The number of relevant candidates is always known.

    Attributes:
        nearest: Number of nearest candidates whose gains are needed, k.
        nearest_relevant: Whether the gains of as many nearest candidates are needed as there are
            relevant ones, R.
        first_rank: Whether the rank of the nearest relevant candidate is needed.
        all_ranks: Whether the ranks of all relevant candidates are needed.

    Example:
        >>> Needs(nearest=5) | Needs(nearest=1, first_rank=True)
        Needs(nearest=5, nearest_relevant=False, first_rank=True, all_ranks=False)
    """

    nearest: int = 0
    nearest_relevant: bool = False
    first_rank: bool = False
    all_ranks: bool = False

    def __or__(self, other: Needs) -> Needs:
        """Return what two metrics need together."""
        return Needs(
            max(self.nearest, other.nearest),
            self.nearest_relevant or other.nearest_relevant,
            self.first_rank or other.first_rank,
            self.all_ranks or other.all_ranks,
        )


class Ranking:
    """Nearest candidates of Q queries, best first, and what is relevant among them.

    Attributes:
        gains: Gains of the K nearest candidates, shape (Q, K), float32; 0 is not relevant. Of equal
            scores, the lower gain comes first. K is at least what was needed, or the number of
            candidates.
        found: Candidates that these gains belong to, shape (Q, K), int64; -1 where fewer can be
            found.
        scores: Their scores, the larger the nearer, shape (Q, K), float32.
        relevant_count: Number of relevant candidates of each query, shape (Q,), int64.
    """

    def __init__(
        self,
        gains: Tensor,
        found: Tensor,
        scores: Tensor,
        relevant_count: Tensor,
        relevance: BlockRelevance,
        first_rank: Tensor | None = None,
        ranks: Tensor | None = None,
    ):
        self.gains = gains
        self.found = found
        self.scores = scores
        self.relevant_count = relevant_count
        self._relevance = relevance
        self._first_rank = first_rank
        self._ranks = ranks

    @property
    def is_answered(self) -> Tensor:
        """Whether a query has a relevant candidate, shape (Q,), bool."""
        return self.relevant_count > 0

    @property
    def first_rank(self) -> Tensor:
        """Rank of the nearest relevant candidate, from 1, shape (Q,); 0 where there is none."""
        if self._first_rank is None:
            raise RuntimeError("Expected a metric that needs first_rank to say so in its needs.")
        return self._first_rank

    @property
    def ranks(self) -> Tensor:
        """Ranks of all relevant candidates, ascending, shape (Q, R); 0 where there are fewer."""
        if self._ranks is None:
            raise RuntimeError("Expected a metric that needs all ranks to say so in its needs.")
        return self._ranks

    def hits(self, k: Count) -> Tensor:
        """Return which of the k nearest candidates are relevant, shape (Q, at most k), bool."""
        return self.gains[:, :k] > 0

    def ideal_gains(self, k: Count) -> Tensor:
        """Return the k highest gains of each query, descending, shape (Q, k); 0 for none."""
        rows, _, gains = self._relevance.listing()
        ideal = torch.zeros(len(self.gains), k, device=gains.device)
        order = gains.argsort(descending=True, stable=True)
        order = order[rows[order].argsort(stable=True)]
        place = _places(rows[order], len(ideal))
        is_within = place < k
        ideal[rows[order][is_within], place[is_within]] = gains[order][is_within]
        return ideal


def rank(scores: Tensor, relevance: BlockRelevance, needs: Needs) -> Ranking:
    """Rank M candidates for each of Q queries.

    Args:
        scores: The larger the nearer, shape (Q, M), float32; minus infinity for what cannot be
            found, such as the query itself.
        relevance: What is relevant to the queries.
        needs: What is needed of the ranking.

    Example:
        >>> labels = torch.tensor([[0, 0, 1, 0]])
        >>> ranking = rank(
        ...     torch.tensor([[0.7, 0.9, 0.7, 0.1]]),
        ...     DenseRelevance(labels),
        ...     Needs(nearest=3, first_rank=True),
        ... )
        >>> ranking.gains  # of the two candidates with the score 0.7, the relevant one is last
        tensor([[0., 0., 1.]])
        >>> ranking.found, ranking.first_rank
        (tensor([[1, 0, 2]]), tensor([3]))
    """
    counts = relevance.counts()
    width = needs.nearest
    if needs.nearest_relevant and len(counts):
        width = max(width, int(counts.max()))
    width = min(width, scores.shape[1])
    # One more shows whether the last one has the score of one that is left out.
    top, found = scores.topk(min(width + 1, scores.shape[1]) if width else 0, dim=1)
    gains = relevance.gains(found) if found.numel() else torch.zeros_like(top)
    gains = gains.masked_fill(top == -torch.inf, 0)
    is_tied = (top[:, 1:] == top[:, :-1]) & (top[:, 1:] > -torch.inf)
    _order_ties(top, found, gains, is_tied.any(dim=1).nonzero().squeeze(1))
    is_cut = is_tied[:, max(0, width - 1) :].any(dim=1)
    found, gains, top = found[:, :width], gains[:, :width].contiguous(), top[:, :width]
    if is_cut.any():
        _resolve_cut_ties(scores, relevance, gains, top, is_cut.nonzero().squeeze(1))
    found = found.masked_fill(top == -torch.inf, -1)
    ranks = first = None
    if needs.all_ranks or needs.first_rank:
        ranks = _ranks(scores, relevance, gains, counts, first_alone=not needs.all_ranks)
        first = ranks[:, 0] if ranks.shape[1] else counts
    return Ranking(gains, found, top, counts, relevance, first, ranks if needs.all_ranks else None)


def _order_ties(top: Tensor, found: Tensor, gains: Tensor, rows: Tensor) -> None:
    """Put lower gains before higher ones where scores are equal, in place."""
    if not len(rows):
        return
    by_gain = gains[rows].argsort(dim=1, stable=True)
    by_score = top[rows].gather(1, by_gain).argsort(dim=1, descending=True, stable=True)
    order = by_gain.gather(1, by_score)
    found[rows] = found[rows].gather(1, order)
    gains[rows] = gains[rows].gather(1, order)


def _resolve_cut_ties(
    scores: Tensor, relevance: BlockRelevance, gains: Tensor, top: Tensor, rows: Tensor
) -> None:
    """Set the gains of the last of the nearest where others of the same score are left out.

    Of all candidates with that score, those with the lowest gains count as nearer.
    """
    width = gains.shape[1]
    last = top[rows, -1]
    places = (top[rows] == last.unsqueeze(1)).sum(dim=1)
    tied = _count(scores, rows, last, eq)
    row, column, gain = relevance.listing()
    position = torch.full((len(gains),), -1, device=rows.device)
    position[rows] = torch.arange(len(rows), device=rows.device)
    of_row = position[row]
    is_tied = of_row >= 0
    is_tied &= scores[row, column] == last[of_row.clamp(min=0)]
    of_row, gain = of_row[is_tied], gain[is_tied]
    order = gain.argsort(stable=True)
    order = order[of_row[order].argsort(stable=True)]
    of_row, gain = of_row[order], gain[order]
    irrelevant = tied - torch.bincount(of_row, minlength=len(rows))
    place = irrelevant[of_row] + _places(of_row, len(rows))
    is_tied_place = torch.arange(width, device=rows.device) >= (width - places).unsqueeze(1)
    resolved = gains[rows].masked_fill(is_tied_place, 0)
    is_within = place < places[of_row]
    of_row, place, gain = of_row[is_within], place[is_within], gain[is_within]
    resolved[of_row, width - places[of_row] + place] = gain
    gains[rows] = resolved


def _ranks(
    scores: Tensor, relevance: BlockRelevance, gains: Tensor, counts: Tensor, *, first_alone: bool
) -> Tensor:
    """Return the ranks of relevant candidates, ascending, (Q, R); 0 where there are fewer."""
    hits = gains > 0
    among = hits.sum(dim=1)
    width = int(counts.max()) if len(counts) else 0
    ranks = torch.zeros(len(counts), min(width, 1) if first_alone else width, device=gains.device)
    ranks = ranks.long()
    row, place = hits.nonzero(as_tuple=True)
    number = hits.cumsum(dim=1)[row, place] - 1
    is_wanted = number < ranks.shape[1]
    ranks[row[is_wanted], number[is_wanted]] = place[is_wanted] + 1
    missing = counts > among
    if first_alone:
        missing &= among == 0
    if not missing.any():
        return ranks
    # Relevant candidates that are not among the nearest, by query, the nearest first.
    row, column, _ = relevance.listing()
    is_of_missing = missing[row]
    row, column = row[is_of_missing], column[is_of_missing]
    score = scores[row, column]
    order = score.argsort(descending=True, stable=True)
    order = order[row[order].argsort(stable=True)]
    row, score = row[order], score[order]
    number = _places(row, len(counts))
    # Of relevant ones with the same score, all have as many relevant ones at or above them.
    is_last = torch.ones_like(row, dtype=torch.bool)
    is_last[:-1] = (row[1:] != row[:-1]) | (score[1:] != score[:-1])
    last = is_last.nonzero().squeeze(1)
    relevant_up_to = number[
        last[torch.searchsorted(last, torch.arange(len(row), device=row.device))]
    ]
    is_wanted = number < ranks.shape[1]
    if not first_alone:
        is_wanted &= number >= among[row]
    row, score, number = row[is_wanted], score[is_wanted], number[is_wanted]
    up_to = _count(scores, row, score, ge)
    ranks[row, number] = number + up_to - relevant_up_to[is_wanted]
    return ranks


def _count(
    scores: Tensor, rows: Tensor, limits: Tensor, compare: Callable[[Any, Any], Any]
) -> Tensor:
    """Count the scores of rows, ascending, that compare so with a limit: (E,) to (E,)."""
    count = _count_by_row if scores.device.type == "cpu" else _count_by_place
    return count(scores, rows, limits, compare)


def _count_by_place(
    scores: Tensor, rows: Tensor, limits: Tensor, compare: Callable[[Any, Any], Any]
) -> Tensor:
    """Count for the first limit of all rows, then for the second, and so on."""
    counts = torch.zeros_like(rows)
    place = _places(rows, len(scores))
    for number in range(int(place.max()) + 1):
        here = (place == number).nonzero().squeeze(1)
        chosen = scores if len(here) == len(scores) else scores[rows[here]]
        matches = compare(chosen, limits[here].unsqueeze(1))
        # Counting in int32 takes half the time of int64.
        counts[here] = matches.sum(dim=1, dtype=torch.int32).long()
    return counts


def _count_by_row(
    scores: Tensor, rows: Tensor, limits: Tensor, compare: Callable[[Any, Any], Any]
) -> Tensor:
    """Count row by row, which stays in the cache of a CPU: a tenth of the time of whole blocks."""
    matrix, limits_of = scores.detach().numpy(), limits.detach().numpy()
    distinct, sizes = torch.unique_consecutive(rows, return_counts=True)
    counts: list[np.ndarray[Any, Any]] = []
    stop = 0
    for row, size in zip(distinct.tolist(), sizes.tolist(), strict=True):
        start, stop = stop, stop + size
        if size > _SORT_ABOVE and compare is ge:
            below = np.searchsorted(np.sort(matrix[row]), limits_of[start:stop])
            counts.append(matrix.shape[1] - below)
        else:
            of_row = [
                np.count_nonzero(compare(matrix[row], limit)) for limit in limits_of[start:stop]
            ]
            counts.append(np.array(of_row))
    return torch.from_numpy(np.concatenate(counts)).long()


def _places(rows: Tensor, count: int) -> Tensor:
    """Return the position of each entry among those of its row; rows ascend, below ``count``."""
    starts = torch.searchsorted(rows, torch.arange(count, device=rows.device))
    return torch.arange(len(rows), device=rows.device) - starts[rows]


def relevant(distance_matrix: Tensor, labels: Tensor) -> Tensor:
    """Return what is relevant, shape (Q, N), bool: a label above 0 at a finite distance.

    A query is at infinite distance from itself, so it is never relevant to itself.

    Raises:
        ValueError: The two are not matrices of the same shape.
    """
    if distance_matrix.ndim != 2 or distance_matrix.shape != labels.shape:
        raise ValueError(
            f"Expected distance_matrix and labels of the same shape (Q, N), got "
            f"{tuple(distance_matrix.shape)} and {tuple(labels.shape)}."
        )
    is_labelled = labels if labels.dtype == torch.bool else labels > 0
    return is_labelled & (distance_matrix < torch.inf)


def rank_matrix(distance_matrix: Tensor, labels: Tensor, needs: Needs) -> Ranking:
    """Rank the objects of a matrix.

    Args:
        distance_matrix: Distances of Q queries from N objects, shape (Q, N); infinite where an
            object would find itself.
        labels: Relevant where above 0, which is the gain, shape (Q, N).
        needs: What is needed of the ranking.

    Raises:
        ValueError: The two are not matrices of the same shape.
    """
    gains = labels * relevant(distance_matrix, labels)
    return rank(-distance_matrix, DenseRelevance(gains), needs)


def hits_among_relevant(ranking: Ranking) -> Tensor:
    """Return which of the R nearest candidates are relevant, of R relevant ones: (Q, R), bool."""
    width = int(ranking.relevant_count.max()) if len(ranking.relevant_count) else 0
    hits = ranking.hits(width)
    places = torch.arange(hits.shape[1], device=hits.device)
    return hits & (places < ranking.relevant_count.unsqueeze(1))


def first_rank(distance_matrix: Tensor, relevance: Tensor) -> Tensor:
    """Return the rank, counted from 1, of the nearest relevant object of each query.

    Args:
        distance_matrix: Distances of Q queries from N objects, shape (Q, N).
        relevance: Shape (Q, N), bool.

    Returns:
        Shape (Q,), int64; N + 1 where nothing is relevant.

    Example:
        >>> first_rank(torch.tensor([[0.3, 0.2, 0.2]]), torch.tensor([[False, False, True]]))
        tensor([2])
    """
    rank_of = rank_matrix(distance_matrix, relevance, Needs(first_rank=True)).first_rank
    return rank_of.masked_fill(rank_of == 0, distance_matrix.shape[1] + 1)
