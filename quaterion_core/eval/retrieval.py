"""Retrieval among embeddings, in blocks of queries that several metrics share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from quaterion_core.distances import BaseDistance
from quaterion_core.types import Targets

if TYPE_CHECKING:
    from quaterion_core.eval.base_metric import BaseMetric

MAX_BLOCK_ELEMENTS: Final = 2**24
"""The most distances that are in memory at once: 64 MiB of float32."""


class Retrieval:
    """Which objects are queries, among which they search, and what is relevant to them.

    A query is never among its own results: its distance from itself is infinite and its label 0.

    Args:
        embeddings: Shape (N, D). Half precision is widened to float32,
            since distances rounded to it would tie objects that differ.
        targets: Targets of all N objects, for ``prepare_labels`` of the metrics.
        queries: Rows that query, without repetition, shape (Q,), int64; by default all.
        candidates: Rows that can be found, shape (M,), int64; by default all.
    """

    def __init__(
        self,
        embeddings: Tensor,
        targets: Targets,
        queries: Tensor | None = None,
        candidates: Tensor | None = None,
    ):
        rows = torch.arange(len(embeddings), device=embeddings.device)
        self.queries = rows if queries is None else queries
        self.candidates = rows if candidates is None else candidates
        self._selects_candidates = candidates is not None
        self._targets = targets
        self._embeddings = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
        self._candidate_embeddings = (
            self._embeddings if candidates is None else self._embeddings[candidates]
        )

    @property
    def targets(self) -> Targets:
        """The targets of all N objects."""
        return self._targets

    def similarities(self, distance: BaseDistance, pairs: Tensor) -> Tensor:
        """Return the similarity of the two objects of each pair of rows: (P, 2) to (P,)."""
        rows_a, rows_b = pairs.unbind(dim=1)
        return distance.similarity(self._embeddings[rows_a], self._embeddings[rows_b])

    def every_two(
        self, distance: BaseDistance, prepare_labels: Callable[..., Tensor]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield distances and labels of queries and other candidates, each two objects once.

        They come in blocks of at most MAX_BLOCK_ELEMENTS, each of shape (P,).
        """
        position = torch.full((len(self._embeddings),), -1, device=self.queries.device)
        position[self.queries] = torch.arange(len(self.queries), device=self.queries.device)
        of_candidates = position[self.candidates]
        for queries in self.query_blocks():
            # Two queries meet twice, in either role: the one that comes first counts.
            is_new = (of_candidates > position[queries].unsqueeze(1)) | (of_candidates < 0)
            distances = self.distance_matrix(distance, queries)
            yield distances[is_new], self.labels(prepare_labels, queries)[is_new]

    def query_blocks(self) -> Iterator[Tensor]:
        """Yield the queries in parts whose distance matrix has at most MAX_BLOCK_ELEMENTS."""
        size = max(1, MAX_BLOCK_ELEMENTS // max(1, len(self.candidates)))
        yield from torch.split(self.queries, size)

    def distance_matrix(self, distance: BaseDistance, queries: Tensor) -> Tensor:
        """Return the distances of some queries from all candidates, shape (Q, M)."""
        matrix = distance.distance_matrix(self._embeddings[queries], self._candidate_embeddings)
        return matrix.masked_fill_(self._is_self(queries), torch.inf)

    def labels(self, prepare_labels: Callable[..., Tensor], queries: Tensor) -> Tensor:
        """Return what ``prepare_labels`` says of some queries and all candidates, shape (Q, M)."""
        selected = {"candidates": self.candidates} if self._selects_candidates else {}
        labels = prepare_labels(**self._targets, queries=queries, **selected)
        return labels.masked_fill(self._is_self(queries), 0)

    def _is_self(self, queries: Tensor) -> Tensor:
        return queries.unsqueeze(1) == self.candidates.unsqueeze(0)


@torch.no_grad()
def score(metrics: Mapping[str, BaseMetric], retrieval: Retrieval) -> dict[str, Tensor]:
    """Compute several metrics of one retrieval.

    Distances and labels are computed once for all metrics, block by block. Only a metric that
    needs all queries at once, since it may reduce them in any way, is computed by itself.

    Args:
        metrics: Metrics by name.
        retrieval: Queries and candidates.

    Returns:
        The value of each metric by name.
    """
    by_block = {name: metric for name, metric in metrics.items() if not metric.needs_all_queries}
    values: dict[str, list[Tensor]] = {name: [] for name in by_block}
    for queries in retrieval.query_blocks() if by_block else ():
        distances = {
            distance: retrieval.distance_matrix(distance, queries)
            for distance in {metric.distance for metric in by_block.values()}
        }
        labels = {
            prepare_labels: retrieval.labels(prepare_labels, queries) > 0
            for prepare_labels in {metric.prepare_labels for metric in by_block.values()}
        }
        for name, metric in by_block.items():
            block = distances[metric.distance], labels[metric.prepare_labels]
            values[name].append(metric.answered_values(*block))
    results = {name: metric.reduce(torch.cat(values[name])) for name, metric in by_block.items()}
    for name, metric in metrics.items():
        if metric.needs_all_queries:
            results[name] = metric.of_retrieval(retrieval)
    return {name: results[name] for name in metrics}
