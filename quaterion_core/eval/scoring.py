"""Several metrics of one retrieval, which share one search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from quaterion_core.distances import BaseDistance
from quaterion_core.eval.ranking import Needs, Ranking, rank
from quaterion_core.eval.relevance import BlockRelevance, DenseRelevance
from quaterion_core.eval.retrieval import Retrieval

if TYPE_CHECKING:
    from quaterion_core.eval.base_metric import BaseMetric


@dataclass(frozen=True)
class Nearest:
    """The nearest candidates of each query, best first.

    Attributes:
        rows: Rows of the collected embeddings, shape (Q, K), int64; -1 where fewer can be found.
        scores: Their scores, the larger the nearer, shape (Q, K), float32.
        gains: Their gains, shape (Q, K), float32; 0 is not relevant.
        relevant_count: Number of relevant candidates of each query, shape (Q,), int64.
    """

    rows: Tensor
    scores: Tensor
    gains: Tensor
    relevant_count: Tensor


@dataclass(frozen=True)
class Scores:
    """Values of several metrics of one retrieval.

    Attributes:
        values: Value of each metric by name.
        query_values: Values of the individual queries, shape (Q,), by the name of the metric; NaN
            where a query has no relevant candidate. Metrics that have no such values are left out.
        queries: Rows of the queries among the collected embeddings, shape (Q,), int64.
        nearest: The nearest candidates, if they were asked for.
    """

    values: dict[str, Tensor]
    query_values: dict[str, Tensor]
    queries: Tensor
    nearest: Nearest | None = None


@torch.no_grad()
def score(metrics: Mapping[str, BaseMetric], retrieval: Retrieval, nearest: int = 0) -> Scores:
    """Compute several metrics of one retrieval.

    The candidates are searched once for all metrics of one distance, block by block. A metric that
    :attr:`needs all queries <quaterion_core.eval.BaseMetric.needs_all_queries>` is computed by
    itself.

    Args:
        metrics: Metrics by name.
        retrieval: Queries and candidates.
        nearest: Number of nearest candidates of each query to return, by the distance and the
            relevance of the first metric that ranks; 0 for none.
    """
    by_block = {name: metric for name, metric in metrics.items() if not metric.needs_all_queries}
    ranked = {name: metric for name, metric in by_block.items() if metric.uses_ranking}
    others = {name: metric for name, metric in by_block.items() if not metric.uses_ranking}
    searches = _searches(ranked, retrieval, nearest)
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in by_block}
    found: list[Nearest] = []
    memory = retrieval.new_block() if searches else None
    for start, stop in retrieval.query_ranges() if by_block else ():
        scores: dict[BaseDistance, Tensor] = {}
        for number, search in enumerate(searches):
            if search.distance not in scores:
                of_block = retrieval.scores(search.distance, start, stop, memory)
                scores = {search.distance: of_block}
            block = relevance_of_block(search.first, retrieval, start, stop)
            ranking = rank(scores[search.distance], block, search.needs)
            for name, metric in search.metrics.items():
                values_of_block = metric.block_values(ranking, retrieval, start, stop)
                parts[name].append((values_of_block, ranking.is_answered))
            if nearest and not number:
                found.append(_nearest(ranking, retrieval, nearest))
        for name, part in _of_matrices(others, retrieval, start, stop).items():
            parts[name].append(part)
    values, query_values = {}, {}
    for name, metric in metrics.items():
        if metric.needs_all_queries:
            values[name] = metric.of_retrieval(retrieval)
            continue
        of_queries = torch.cat([part for part, _ in parts[name]])
        is_answered = torch.cat([part for _, part in parts[name]])
        values[name] = metric.reduce(of_queries[is_answered])
        query_values[name] = of_queries.float().masked_fill(~is_answered, torch.nan)
    return Scores(values, query_values, retrieval.queries, _joined(found))


def relevance_of_block(
    metric: BaseMetric, retrieval: Retrieval, start: int, stop: int
) -> BlockRelevance:
    """Return what is relevant, for a metric, to a range of the queries of a retrieval."""
    relevance = metric.relevance
    if relevance is None:
        queries = retrieval.queries[start:stop]
        return DenseRelevance(retrieval.labels(metric.prepare_labels, queries))
    return retrieval.relevance(relevance).block(start, stop)


@dataclass(frozen=True)
class _Search:
    """Metrics that share the ranking of candidates and what is relevant among them."""

    distance: BaseDistance
    metrics: dict[str, BaseMetric]
    needs: Needs

    @property
    def first(self) -> BaseMetric:
        return next(iter(self.metrics.values()))


def _searches(
    metrics: Mapping[str, BaseMetric], retrieval: Retrieval, nearest: int
) -> list[_Search]:
    """Group metrics by distance and relevance; those of one distance follow one another."""
    groups: dict[BaseDistance, dict[object, dict[str, BaseMetric]]] = {}
    for name, metric in metrics.items():
        build = metric.relevance
        kind = metric.prepare_labels if build is None else retrieval.relevance(build)
        groups.setdefault(metric.distance, {}).setdefault(kind, {})[name] = metric
    searches: list[_Search] = []
    for distance, by_kind in groups.items():
        for alike in by_kind.values():
            needs = reduce(or_, (metric.needs for metric in alike.values()))
            needs = needs if searches else needs | Needs(nearest)
            searches.append(_Search(distance, alike, needs))
    return searches


def _of_matrices(
    metrics: Mapping[str, BaseMetric], retrieval: Retrieval, start: int, stop: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """Return values of queries, and which count, of metrics that take distances and labels."""
    queries = retrieval.queries[start:stop]
    distances = {
        distance: retrieval.distance_matrix(distance, queries)
        for distance in {metric.distance for metric in metrics.values()}
    }
    labels = {
        prepare_labels: retrieval.labels(prepare_labels, queries)
        for prepare_labels in {metric.prepare_labels for metric in metrics.values()}
    }
    return {
        name: metric.values_and_answered(distances[metric.distance], labels[metric.prepare_labels])
        for name, metric in metrics.items()
    }


def _nearest(ranking: Ranking, retrieval: Retrieval, count: int) -> Nearest:
    found = ranking.found[:, :count]
    rows = retrieval.candidates[found.clamp(min=0)].masked_fill(found < 0, -1)
    scores, gains = ranking.scores[:, :count], ranking.gains[:, :count]
    return Nearest(rows, scores.contiguous(), gains.contiguous(), ranking.relevant_count)


def _joined(parts: list[Nearest]) -> Nearest | None:
    if not parts:
        return None
    names = [field.name for field in fields(Nearest)]
    return Nearest(*(torch.cat([getattr(part, name) for part in parts]) for name in names))
