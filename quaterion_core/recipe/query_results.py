"""What an evaluation says of individual queries: values, intervals, and what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from quaterion_core.eval.base_metric import BaseMetric
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.eval.retrieval_metrics.retrieval_metric import relevance_of
from quaterion_core.eval.scoring import Scores
from quaterion_core.eval.statistics import (
    Interval,
    bootstrap_interval,
    quantile_interval,
    rounded,
)


@dataclass(frozen=True)
class QueryResults:
    """Values of individual queries, and what they find.

    Attributes:
        metrics: The metrics by name.
        scores: Values of the metrics and of the queries.
        retrieval: The retrieval that the scores are of.
        read_objects: Returns all objects, in the order of the targets of the retrieval.
    """

    metrics: Mapping[str, BaseMetric]
    scores: Scores
    retrieval: Retrieval
    read_objects: Callable[[], Sequence[Any]]

    @cached_property
    def objects(self) -> Sequence[Any]:
        """All objects, in the order of the targets of the retrieval."""
        return self.read_objects()

    @property
    def queries(self) -> list[Any]:
        """The objects that query, in the order of :attr:`values`."""
        return [self.objects[row] for row in self.scores.queries.tolist()]

    @property
    def values(self) -> dict[str, Tensor]:
        """Values of the queries by metric, shape (Q,); NaN where nothing is relevant."""
        return self.scores.query_values

    @property
    def figures(self) -> dict[str, float]:
        """Value of each metric by name, as it is reported."""
        return {name: rounded(value) for name, value in self.scores.values.items()}

    @property
    def answered(self) -> int:
        """Number of queries that have a relevant object."""
        counts = [int((~values.isnan()).sum()) for values in self.values.values()]
        return max(counts, default=0)

    @property
    def clusters(self) -> Tensor:
        """Cluster of each query, shape (Q,), int64, on the CPU.

        Queries of one group are not independent of each other, and neither are queries that share
        a relevant object or a subgroup: they are one cluster.
        """
        return self.retrieval.clusters[self.scores.queries.cpu()]

    def relevant(self) -> Iterator[tuple[int, int, float]]:
        """Yield row of the query, row of the candidate and gain of everything relevant."""
        for start, stop in self.retrieval.query_ranges():
            block = relevance_of(self.retrieval).block(start, stop)
            for query, candidate, gain in zip(*(t.tolist() for t in block.listing()), strict=True):
                yield (
                    int(self.retrieval.queries[start + query]),
                    int(self.retrieval.candidates[candidate]),
                    gain,
                )

    @cached_property
    def intervals(self) -> dict[str, Interval | None]:
        """95 % bootstrap interval of each metric by name, ``None`` where there is none.

        Metrics that are means over queries are resampled by cluster; others say how they are
        :meth:`resampled <quaterion_core.eval.BaseMetric.resampled>`. There is no interval over a
        single cluster, since it does not show how values vary.
        """
        return {name: self._interval(name) for name in self.metrics}

    def resampled(self, name: str) -> Tensor | None:
        """Return the values of bootstrap samples of a metric that is no mean over queries."""
        return self.metrics[name].resampled(self.retrieval)

    def _interval(self, name: str) -> Interval | None:
        if name in self.values:
            return mean_interval(self.values[name], self.clusters)
        return sample_interval(self.resampled(name))


def mean_interval(values: Tensor, clusters: Tensor) -> Interval | None:
    """Return the interval of the mean of values of queries; ``None`` for less than two clusters.

    Args:
        values: Shape (Q,); queries whose value is NaN do not count.
        clusters: Cluster of each query, shape (Q,), int64.

    Example:
        >>> mean_interval(torch.tensor([0.0, 1.0, torch.nan]), torch.tensor([4, 4, 5])) is None
        True
    """
    is_answered = ~values.cpu().isnan()
    values, clusters = values.cpu()[is_answered], clusters.cpu()[is_answered]
    if len(torch.unique(clusters)) < 2:
        return None
    return bootstrap_interval(values, clusters).rounded()


def sample_interval(values: Tensor | None) -> Interval | None:
    """Return the interval of values of bootstrap samples; ``None`` where there are none."""
    if values is None:
        return None
    values = values[~values.isnan()]
    return quantile_interval(values).rounded() if len(values) else None
