"""What is relevant to queries, kept as lists and not as a matrix of queries and candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from quaterion_core.dataset.targets import NO_SUBGROUP

if TYPE_CHECKING:
    from quaterion_core.eval.retrieval import Retrieval


class BlockRelevance(Protocol):
    """What is relevant to a block of Q queries, among M candidates."""

    def counts(self) -> Tensor:
        """Return the number of candidates that are relevant to each query, shape (Q,), int64."""

    def gains(self, found: Tensor) -> Tensor:
        """Return the gains of some candidates (Q, K) of each query; 0 is not relevant."""

    def listing(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return query, candidate and gain of everything relevant, by query, shape (E,) each."""


class Relevance(Protocol):
    """What is relevant to all queries of a retrieval."""

    def block(self, start: int, stop: int) -> BlockRelevance:
        """Return what is relevant to a range of queries."""


class RelevanceBuilder(Protocol):
    """A function that builds what is relevant to the queries of a retrieval."""

    def __call__(self, retrieval: Retrieval, /) -> Relevance:
        """Return what is relevant."""


class DenseRelevance:
    """Relevance of a block from a matrix of labels.

    Args:
        labels: Shape (Q, M), bool or numbers; relevant where above 0, which is the gain.
    """

    def __init__(self, labels: Tensor):
        self._labels = labels

    def counts(self) -> Tensor:
        """Return the number of candidates that are relevant to each query."""
        return (self._labels > 0).sum(dim=1)

    def gains(self, found: Tensor) -> Tensor:
        """Return the gains of some candidates of each query."""
        return self._labels.gather(1, found).float().clamp(min=0)

    def listing(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return query, candidate and gain of everything relevant."""
        rows, columns = (self._labels > 0).nonzero(as_tuple=True)
        return rows, columns, self._labels[rows, columns].float()


class SparseRelevance:
    """Relevance from memberships in sets, and from listed pairs of a query and a candidate.

    A candidate is relevant to a query, with the gain 1, if both are members of one set. What is
    listed has the listed gain instead. A query is never relevant to itself.

    Args:
        queries: Number of queries, Q.
        candidates: Number of candidates, M.
        itself: For each query the candidate that is the same object, or -1, shape (Q,).
        query_sets: Query and set of each membership of a query, shape (2, A).
        candidate_sets: Candidate and set of each membership of a candidate, shape (2, B).
        listed: Query and candidate of each listed pair, shape (2, L); by default none.
        gains: Gain of each, shape (L,); of equal pairs, the highest counts, unless one is 0.

    Example:
        >>> relevance = SparseRelevance(
        ...     queries=2,
        ...     candidates=3,
        ...     itself=torch.tensor([-1, -1]),
        ...     query_sets=torch.tensor([[0], [7]]),
        ...     candidate_sets=torch.tensor([[0, 2], [7, 7]]),
        ...     listed=torch.tensor([[0, 1], [2, 1]]),
        ...     gains=torch.tensor([3.0, 1.0]),
        ... )
        >>> relevance.block(0, 2).gains(torch.tensor([[0, 1, 2], [0, 1, 2]]))
        tensor([[1., 0., 3.],
                [0., 1., 0.]])
    """

    def __init__(
        self,
        queries: int,
        candidates: int,
        itself: Tensor,
        query_sets: Tensor,
        candidate_sets: Tensor,
        listed: Tensor | None = None,
        gains: Tensor | None = None,
    ):
        self._candidates = max(1, candidates)
        self._itself = itself
        device = itself.device
        query_sets = torch.unique(query_sets, dim=1) if query_sets.numel() else query_sets
        by_set = torch.unique(candidate_sets.flip(0), dim=1) if candidate_sets.numel() else None
        sets = candidate_sets[1] if by_set is None else by_set[0]
        known, sizes = torch.unique_consecutive(sets, return_counts=True)
        self._members = candidate_sets[0] if by_set is None else by_set[1]
        self._first = sizes.cumsum(0) - sizes
        self._sizes = sizes
        place = torch.searchsorted(known, query_sets[1].contiguous()).clamp(
            max=max(0, len(known) - 1)
        )
        is_known = known[place] == query_sets[1] if len(known) else place < 0
        self._query, self._set = query_sets[0][is_known], place[is_known]
        every = torch.arange(queries + 1, device=device)
        self._starts = torch.searchsorted(self._query.contiguous(), every)
        self._keys, self._gains = self._listed_once(listed, gains, device)
        # With one set for each, two numbers say whether a candidate is relevant.
        self._set_of: tuple[Tensor, Tensor] | None = None
        memberships = torch.bincount(self._members, minlength=candidates)
        is_simple = bool((memberships <= 1).all()) and bool((self._starts.diff() <= 1).all())
        if is_simple and not len(self._keys):
            of_queries = torch.full((queries,), -1, device=device)
            of_queries[self._query] = self._set
            of_candidates = torch.full((candidates,), -2, device=device)
            of_candidates[self._members] = torch.arange(
                len(known), device=device
            ).repeat_interleave(sizes)
            self._set_of = of_queries, of_candidates

    def block(self, start: int, stop: int) -> BlockRelevance:
        """Return what is relevant to a range of queries."""
        if self._set_of is not None:
            return _BlockOfSets(self, start, stop, *self._set_of)
        return _Block(*self.listing(start, stop), stop - start, self._candidates)

    def listing(self, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return query - start, candidate and gain of everything relevant to a range of queries."""
        low, high = self._starts[start], self._starts[stop]
        query, of_set = self._query[low:high], self._set[low:high]
        sizes = self._sizes[of_set]
        rows = query.repeat_interleave(sizes)
        ends = sizes.cumsum(0)
        within = torch.arange(len(rows), device=rows.device)
        within = within + (self._first[of_set] - (ends - sizes)).repeat_interleave(sizes)
        keys = torch.unique(rows * self._candidates + self._members[within])
        gains = torch.ones(len(keys), device=keys.device)
        if len(self._keys):
            first, last = torch.searchsorted(
                self._keys,
                torch.tensor([start, stop], device=keys.device) * self._candidates,
            ).tolist()
            listed, of_listed = self._keys[first:last], self._gains[first:last]
            is_other = ~torch.isin(keys, listed)
            keys = torch.cat([keys[is_other], listed])
            gains = torch.cat([gains[is_other], of_listed])
            keys, order = keys.sort()
            gains = gains[order]
        rows, columns = keys // self._candidates, keys % self._candidates
        counts = (gains > 0) & (self._itself[rows] != columns)
        return rows[counts] - start, columns[counts], gains[counts]

    def itself(self, start: int, stop: int) -> Tensor:
        """Return the candidates that are the queries of a range themselves, or -1."""
        return self._itself[start:stop]

    def size_of(self, sets: Tensor) -> Tensor:
        """Return the numbers of candidates in sets; 0 for -1."""
        return (
            torch.where(sets < 0, 0, self._sizes[sets.clamp(min=0)])
            if len(self._sizes)
            else 0 * sets
        )

    def _listed_once(
        self, listed: Tensor | None, gains: Tensor | None, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        if listed is None or gains is None or not len(gains):
            return torch.empty(0, dtype=torch.int64, device=device), torch.empty(0, device=device)
        keys, place = torch.unique(listed[0] * self._candidates + listed[1], return_inverse=True)
        gains = gains.float().clamp(min=0)
        highest = gains.new_zeros(len(keys)).scatter_reduce_(0, place, gains, "amax")
        lowest = gains.new_full((len(keys),), torch.inf).scatter_reduce_(0, place, gains, "amin")
        return keys, highest.masked_fill_(lowest == 0, 0)


class _BlockOfSets:
    """Block where each query and each candidate is in one set at most."""

    def __init__(
        self,
        relevance: SparseRelevance,
        start: int,
        stop: int,
        of_queries: Tensor,
        of_candidates: Tensor,
    ):
        self._relevance = relevance
        self._range = start, stop
        self._sets = of_queries[start:stop]
        self._of_candidates = of_candidates
        self._itself = relevance.itself(start, stop)
        self._listing: tuple[Tensor, Tensor, Tensor] | None = None

    def counts(self) -> Tensor:
        found_itself = self._of_candidates[self._itself.clamp(min=0)] == self._sets
        return self._relevance.size_of(self._sets) - (found_itself & (self._itself >= 0)).long()

    def gains(self, found: Tensor) -> Tensor:
        is_relevant = self._of_candidates[found] == self._sets.unsqueeze(1)
        return (is_relevant & (found != self._itself.unsqueeze(1))).float()

    def listing(self) -> tuple[Tensor, Tensor, Tensor]:
        if self._listing is None:  # many rankings do not need it
            self._listing = self._relevance.listing(*self._range)
        return self._listing


class _Block:
    """Block whose relevant candidates are listed."""

    def __init__(self, rows: Tensor, columns: Tensor, gains: Tensor, queries: int, candidates: int):
        self._listing = rows, columns, gains
        self._keys = rows * candidates + columns
        self._queries, self._candidates = queries, candidates

    def counts(self) -> Tensor:
        return torch.bincount(self._listing[0], minlength=self._queries)

    def gains(self, found: Tensor) -> Tensor:
        if not len(self._keys):
            return torch.zeros_like(found, dtype=torch.float32)
        rows = torch.arange(self._queries, device=found.device).unsqueeze(1)
        keys = rows * self._candidates + found
        place = torch.searchsorted(self._keys, keys).clamp(max=len(self._keys) - 1)
        return self._listing[2][place].masked_fill(self._keys[place] != keys, 0)

    def listing(self) -> tuple[Tensor, Tensor, Tensor]:
        return self._listing


def group_relevance(retrieval: Retrieval) -> SparseRelevance:
    """Return the relevance of the other objects of a query's groups.

    Args:
        retrieval: Retrieval with the target ``groups``.
    """
    groups = retrieval.targets["groups"]
    rows = torch.arange(len(groups), device=groups.device)
    return SparseRelevance(
        len(retrieval.queries),
        len(retrieval.candidates),
        retrieval.itself,
        _memberships(retrieval.query_of, rows, groups),
        _memberships(retrieval.candidate_of, rows, groups),
    )


def pair_relevance(retrieval: Retrieval) -> SparseRelevance:
    """Return the relevance of the partners of a query and of the objects of its subgroups.

    The gain of a partner is the label of the pair. Subgroups count where the targets hold
    ``objects``, and only those that pairs with a label above 0 put an object into; two objects of a
    pair with the label 0 are not relevant to each other.

    Args:
        retrieval: Retrieval with the targets ``labels``, ``pairs`` and ``subgroups``.
    """
    pairs, labels = retrieval.targets["pairs"], retrieval.targets["labels"]
    both = torch.cat([pairs, pairs.flip(1)]).T
    gains = labels.repeat(2).float()
    members = pairs.new_empty(0)
    if "objects" in retrieval.targets:
        similar = pairs[labels > 0].flatten()
        members = similar[retrieval.targets["subgroups"][similar] != NO_SUBGROUP]
    else:
        both, gains = both[:, gains > 0], gains[gains > 0]
    listed = torch.stack([retrieval.query_of[both[0]], retrieval.candidate_of[both[1]]])
    is_there = (listed >= 0).all(dim=0)
    subgroups = retrieval.targets["subgroups"][members]
    return SparseRelevance(
        len(retrieval.queries),
        len(retrieval.candidates),
        retrieval.itself,
        _memberships(retrieval.query_of, members, subgroups),
        _memberships(retrieval.candidate_of, members, subgroups),
        listed[:, is_there],
        gains[is_there],
    )


def _memberships(position_of: Tensor, rows: Tensor, sets: Tensor) -> Tensor:
    """Return position and set of those rows that have a position, shape (2, A)."""
    positions = position_of[rows]
    is_there = positions >= 0
    return torch.stack([positions[is_there], sets[is_there]])
