"""Retrieval among embeddings, in blocks of queries. Equal objects are one object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Final

import torch
from torch import Tensor

from quaterion_core.distances import BaseDistance
from quaterion_core.distances.cosine import Cosine
from quaterion_core.distances.dot_product import DotProduct
from quaterion_core.eval.clusters import object_clusters
from quaterion_core.eval.equal_objects import EqualObjects
from quaterion_core.eval.relevance import Relevance, RelevanceBuilder
from quaterion_core.types import Targets
from quaterion_core.utils.accepted import names_argument
from quaterion_core.utils.precision import without_autocast
from quaterion_core.utils.utils import unit_vectors

MAX_BLOCK_ELEMENTS: Final = 2**24
"""The most distances that are in memory at once: 64 MiB of float32; eight times that on a GPU."""

_ROWS_AT_ONCE: Final = 2**14
"""The most embeddings that are scaled to the length 1 at once."""


_ROUNDING: Final = 1e-6
"""Deviation of lengths from 1 that is due to rounding."""


class Retrieval:
    """Queries, the candidates that they search, and what is relevant to them.

    A query is never among its own results: its distance from itself is infinite and its label 0.

    Where the targets hold ``objects``, an id of the content of each object, equal objects are one
    object: one query, which never finds itself, and one candidate, which is relevant to a query if
    any object with the content of the one is relevant to any with the content of the other. The
    first of equal objects stands for all of them.

    Args:
        embeddings: Shape (N, D). Half precision is widened to float32,
            where rounded distances would tie different objects.
        targets: Targets of all N objects, for ``prepare_labels`` of the metrics.
        queries: Rows that query, without repetition, shape (Q,), int64; by default all.
        candidates: Rows that can be found, shape (M,), int64; by default all.

    Attributes:
        queries: Rows of the distinct queries, shape (Q,).
        candidates: Rows of the distinct candidates, shape (M,).
        query_of: For each of the N objects the number of the query that it equals, or -1.
        candidate_of: For each of the N objects the number of the candidate that it equals, or -1.
        itself: For each query the number of the candidate that it equals, or -1, shape (Q,).

    Example:
        Three questions, of which two share an answer:

        >>> from quaterion_core.eval.pair import PairMetric
        >>> targets = {
        ...     "labels": torch.ones(3),
        ...     "pairs": torch.tensor([[0, 3], [1, 4], [2, 5]]),
        ...     "subgroups": torch.full((6,), torch.iinfo(torch.int64).min),  # none is stated
        ...     "objects": torch.tensor([10, 11, 12, 20, 20, 21]),
        ... }
        >>> rows = torch.arange(6)
        >>> retrieval = Retrieval(torch.eye(6), targets, queries=rows[:3], candidates=rows[3:])
        >>> retrieval.candidates
        tensor([3, 5])
        >>> retrieval.labels(PairMetric.prepare_labels, retrieval.queries)
        tensor([[1., 0.],
                [1., 0.],
                [0., 1.]])
    """

    def __init__(
        self,
        embeddings: Tensor,
        targets: Targets,
        queries: Tensor | None = None,
        candidates: Tensor | None = None,
    ):
        rows = torch.arange(len(embeddings), device=embeddings.device)
        self._embeddings = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
        self._prepared: dict[bool, tuple[Tensor, Tensor]] = {}
        self._relevance: dict[RelevanceBuilder, Relevance] = {}
        self._equal = EqualObjects(targets["objects"]) if "objects" in targets else None
        self.queries = self._distinct(rows if queries is None else queries)
        self.candidates = self._distinct(rows if candidates is None else candidates)
        self.query_of = self._positions(self.queries)
        self.candidate_of = self._positions(self.candidates)
        self.itself = self.candidate_of[self.queries]
        self._different: Tensor | None = None
        self._selects_candidates = candidates is not None or len(self.candidates) < len(rows)
        self._targets = targets

    @classmethod
    def of_samples(cls, embeddings: Tensor, targets: Targets) -> Retrieval:
        """Return the retrieval that evaluations of samples are about.

        Each first object of a pair queries all second objects, such as a question all answers;
        each object of groups queries all others.

        Args:
            embeddings: Shape (N, D).
            targets: Targets of all N objects: those of pairs or those of groups.
        """
        if "pairs" not in targets:
            return cls(embeddings, targets)
        first, second = targets["pairs"].unbind(dim=1)
        return cls(embeddings, targets, torch.unique(first), torch.unique(second))

    @property
    def targets(self) -> Targets:
        """The targets of all N objects."""
        return self._targets

    @cached_property
    def clusters(self) -> Tensor:
        """Cluster of each of the N objects, (N,): see :func:`~.clusters.object_clusters`."""
        return object_clusters(self._targets)

    def holds_query(self, pairs: Tensor) -> Tensor:
        """Tell which pairs of rows (P, 2) hold a query, or an object that equals one: (P,)."""
        if self._equal is None:
            return torch.isin(pairs, self.queries).any(dim=1)
        first = self._equal.first
        return torch.isin(first[pairs], first[self.queries]).any(dim=1)

    def similarities(self, distance: BaseDistance, pairs: Tensor) -> Tensor:
        """Return the similarity of the two objects of each pair of rows: (P, 2) to (P,)."""
        rows_a, rows_b = pairs.unbind(dim=1)
        return distance.similarity(self._embeddings[rows_a], self._embeddings[rows_b])

    def every_two(self, distance: BaseDistance) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield all pairs of a query and another candidate, each pair once, in blocks of queries.

        Blocks have at most MAX_BLOCK_ELEMENTS.

        Yields:
            Rows of q queries, shape (q,); their distances from all candidates, shape (q, M); and
            which of these are pairs, shape (q, M), bool.
        """
        position = torch.full((len(self._embeddings),), -1, device=self.queries.device)
        position[self.queries] = torch.arange(len(self.queries), device=self.queries.device)
        of_candidates = position[self.candidates]
        for queries in self.query_blocks():
            # Two queries meet twice, in either role: the one that comes first counts.
            is_new = (of_candidates > position[queries].unsqueeze(1)) | (of_candidates < 0)
            distances = self.distance_matrix(distance, queries)
            yield queries, distances, is_new & (distances < torch.inf)

    def query_blocks(self) -> Iterator[Tensor]:
        """Yield blocks of queries whose distance matrix has at most MAX_BLOCK_ELEMENTS."""
        for start, stop in self.query_ranges():
            yield self.queries[start:stop]

    def query_ranges(self) -> Iterator[tuple[int, int]]:
        """Yield ranges of queries whose scores have at most MAX_BLOCK_ELEMENTS; one if empty."""
        # A GPU needs larger blocks to be busy.
        elements = MAX_BLOCK_ELEMENTS * (8 if self.queries.is_cuda else 1)
        size = max(1, elements // max(1, len(self.candidates)))
        for start in range(0, max(1, len(self.queries)), size):
            yield start, min(start + size, len(self.queries))

    def relevance(self, build: RelevanceBuilder) -> Relevance:
        """Return what is relevant to the queries, built once for all metrics."""
        if build not in self._relevance:
            self._relevance[build] = build(self)
        return self._relevance[build]

    def new_block(self) -> Tensor:
        """Return memory for the scores of the largest range of queries."""
        start, stop = next(self.query_ranges())
        return self._embeddings.new_empty(stop - start, len(self.candidates))

    def scores(
        self, distance: BaseDistance, start: int, stop: int, block: Tensor | None = None
    ) -> Tensor:
        """Return the scores of all candidates for a range of the queries.

        Args:
            distance: Distance that the candidates are ranked by.
            start: Number of the first query.
            stop: Number behind that of the last.
            block: Memory that may be overwritten, from :meth:`new_block`: new memory for each
                range takes a third of the time of a search.

        Returns:
            Shape (stop - start, M), at least float32: the larger, the nearer, minus infinity where
            a query would find itself. The similarity for cosine and dot product, else the
            negative distance.
        """
        queries, candidates = self._operands(distance)
        searching = queries[start:stop]
        out = None if block is None else block[: stop - start]
        if isinstance(distance, (Cosine, DotProduct)):
            with without_autocast(candidates.device):
                scores = torch.mm(searching, candidates.T, out=out)
        else:
            scores = distance.distance_matrix(searching, candidates).neg_()
        itself = self.itself[start:stop]
        rows = (itself >= 0).nonzero().squeeze(1)
        scores[rows, itself[rows]] = -torch.inf
        return scores

    def _operands(self, distance: BaseDistance) -> tuple[Tensor, Tensor]:
        """Return embeddings of all queries and all candidates, of length 1 for cosine."""
        is_cosine = isinstance(distance, Cosine)
        if is_cosine not in self._prepared:
            select = self._unit_vectors if is_cosine else self._selected
            candidates = select(self.candidates)
            is_same = torch.equal(self.queries, self.candidates)
            queries = candidates if is_same else select(self.queries)
            self._prepared[is_cosine] = queries, candidates
        return self._prepared[is_cosine]

    def _selected(self, rows: Tensor) -> Tensor:
        """Return the embeddings of rows, without a copy where the rows follow one another."""
        if len(rows) and bool((rows.diff() == 1).all()):
            return self._embeddings[int(rows[0]) : int(rows[0]) + len(rows)]
        return self._embeddings[rows]

    def _unit_vectors(self, rows: Tensor) -> Tensor:
        """Return the embeddings of rows at length 1, in parts, which take less memory at once.

        Those of models that normalize their output are taken as they are.
        """
        parts = range(0, len(rows), _ROWS_AT_ONCE)
        if all(self._are_units(rows[start : start + _ROWS_AT_ONCE]) for start in parts):
            return self._selected(rows)
        units = self._embeddings.new_empty(len(rows), self._embeddings.shape[1])
        for start in parts:
            part = slice(start, start + _ROWS_AT_ONCE)
            units[part] = unit_vectors(self._embeddings[rows[part]])
        return units

    def _are_units(self, rows: Tensor) -> bool:
        lengths = torch.linalg.vector_norm(self._embeddings[rows], dim=1)
        return bool(((lengths - 1).abs() <= _ROUNDING).all())

    def distance_matrix(self, distance: BaseDistance, queries: Tensor) -> Tensor:
        """Return the distances of some queries from all candidates, shape (Q, M)."""
        _, candidates = self._operands(DotProduct())  # as they are
        matrix = distance.distance_matrix(self._embeddings[queries], candidates)
        return matrix.masked_fill_(self._is_self(queries), torch.inf)

    def labels(self, prepare_labels: Callable[..., Tensor], queries: Tensor) -> Tensor:
        """Return what ``prepare_labels`` says of some queries and all candidates, shape (Q, M).

        Of equal objects, the highest label counts. A ``prepare_labels`` that has an argument
        ``objects`` is given the row of the first equal object of each of the N objects.
        """
        if self._equal is None:
            selected = {"candidates": self.candidates} if self._selects_candidates else {}
            labels = prepare_labels(**self._targets, queries=queries, **selected)
        else:
            labels = self._labels_of_copies(self._equal, prepare_labels, queries)
        return labels.masked_fill(self._is_self(queries), 0)

    def _labels_of_copies(
        self, equal: EqualObjects, prepare_labels: Callable[..., Tensor], queries: Tensor
    ) -> Tensor:
        knows_equal = names_argument(prepare_labels, "objects")
        targets = {name: values for name, values in self._targets.items() if name != "objects"}
        if knows_equal:
            targets["objects"] = equal.first
        among = self._rows_that_count(equal, knows_equal)
        rows, query_of = equal.copies(queries, among)
        columns, candidate_of = equal.copies(self.candidates, among)
        shape = len(queries), len(self.candidates)
        if (len(rows), len(columns)) == shape:
            return prepare_labels(**targets, queries=rows, candidates=columns)
        result = torch.zeros(shape, device=queries.device)
        size = max(1, MAX_BLOCK_ELEMENTS // max(1, len(columns)))
        for part, of_part in zip(torch.split(rows, size), torch.split(query_of, size), strict=True):
            labels = prepare_labels(**targets, queries=part, candidates=columns).float()
            if len(columns) > len(self.candidates):
                highest = labels.new_zeros(len(part), len(self.candidates))
                labels = highest.scatter_reduce_(1, candidate_of.expand_as(labels), labels, "amax")
            result.scatter_reduce_(0, of_part.unsqueeze(1).expand_as(labels), labels, "amax")
        return result

    def _rows_that_count(self, equal: EqualObjects, knows_equal: bool) -> Tensor | None:
        """Return the rows whose labels may differ from those of all equal rows, ``None`` for all.

        Equal rows with equal targets have equal labels, unless targets refer to rows and are read
        by somebody who does not know which rows are equal.
        """
        if "pairs" in self._targets and not knows_equal:
            return None
        if self._different is None:
            count = len(equal.first)
            values = [
                target
                for name, target in self._targets.items()
                if name not in ("objects", "labels") and target.shape == (count,)
            ]
            if "pairs" in self._targets:  # only similar pairs place an object into a subgroup
                is_similar = torch.zeros(count, dtype=torch.int64, device=equal.first.device)
                is_similar[self._targets["pairs"][self._targets["labels"] > 0]] = 1
                values.append(is_similar)
            self._different = equal.different(values)
        return self._different

    def _is_self(self, queries: Tensor) -> Tensor:
        if self._equal is None:
            return queries.unsqueeze(1) == self.candidates.unsqueeze(0)
        first = self._equal.first
        return first[queries].unsqueeze(1) == first[self.candidates].unsqueeze(0)

    def _positions(self, rows: Tensor) -> Tensor:
        """Return for each of the N objects the position in distinct rows of its equal, or -1."""
        position = torch.full((len(self._embeddings),), -1, device=rows.device)
        numbers = torch.arange(len(rows), device=rows.device)
        if self._equal is None:
            position[rows] = numbers
            return position
        first = self._equal.first
        position[first[rows]] = numbers
        return position[first]

    def _distinct(self, rows: Tensor) -> Tensor:
        return rows if self._equal is None else self._equal.distinct(rows)
