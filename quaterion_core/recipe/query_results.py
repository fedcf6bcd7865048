"""What an evaluation says of individual queries: values, intervals, and what they find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import torch
from torch import Tensor

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.equal_objects import EqualObjects
from quaterion_core.eval.pair.pair_score_metric import PairScoreMetric
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.eval.retrieval_metrics.retrieval_metric import relevance_of
from quaterion_core.eval.scoring import Scores
from quaterion_core.eval.statistics import Interval, bootstrap_interval, bootstrap_statistic
from quaterion_core.types import Targets

PAIR_RESAMPLES: Final = 500
"""Number of bootstrap samples for metrics that are computed anew from each."""


@dataclass(frozen=True)
class QueryResults:
    """Values of individual queries, and what they find.

    Attributes:
        scores: Values of the metrics and of the queries.
        targets: Targets of all objects, as a sampler collects them.
        objects: All objects, in the order of the targets.
        retrieval: The retrieval that the scores are of.
    """

    scores: Scores
    targets: Targets
    objects: Sequence[Any]
    retrieval: Retrieval

    @property
    def queries(self) -> list[Any]:
        """The objects that query, in the order of :attr:`values`."""
        return [self.objects[row] for row in self.scores.queries.tolist()]

    @property
    def values(self) -> dict[str, Tensor]:
        """Values of the queries by metric, shape (Q,); NaN where nothing is relevant."""
        return self.scores.query_values

    @property
    def answered(self) -> int:
        """Number of queries that have a relevant object."""
        counts = [int((~values.isnan()).sum()) for values in self.values.values()]
        return max(counts, default=0)

    @cached_property
    def clusters(self) -> Tensor:
        """Cluster of each query, shape (Q,), int64.

        Queries of one group are not independent of each other, and neither are queries that share
        a relevant object or a subgroup: they are one cluster.
        """
        rows = self.scores.queries
        if "groups" in self.targets:
            return self.targets["groups"][rows]
        count = len(self.targets["objects"])
        first = EqualObjects(self.targets["objects"]).first
        similar = self.targets["pairs"][self.targets["labels"] > 0]
        edges = [first[similar]]
        subgroups = self.targets["subgroups"]
        stated = similar.flatten()[subgroups[similar.flatten()] != NO_SUBGROUP]
        if len(stated):
            _, number = torch.unique(subgroups[stated], return_inverse=True)
            edges.append(torch.stack([first[stated], number + count], dim=1))
        return _components(torch.cat(edges), 2 * count)[first[rows]]

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

    def intervals(self, metrics: Mapping[str, AttachedMetric]) -> dict[str, Interval | None]:
        """Return a 95 % bootstrap interval of each metric, ``None`` where there is none.

        Metrics that are means over queries are resampled by cluster, those of given pairs by pair.
        Metrics over all pairs of objects, such as ROC AUC of groups, have no interval: their pairs
        share objects, so that resampling pairs or objects would understate it.

        Args:
            metrics: The metrics by name.
        """
        return {name: self._interval(name, metric.metric) for name, metric in metrics.items()}

    def _interval(self, name: str, metric: Any) -> Interval | None:
        if name in self.values:
            values = self.values[name]
            is_answered = ~values.isnan()
            if not is_answered.any():
                return None
            return bootstrap_interval(values[is_answered], self.clusters[is_answered.cpu()])
        if name in self.scores.scored_pairs and isinstance(metric, PairScoreMetric):
            similarities, labels = self.scores.scored_pairs[name]
            if not len(labels):
                return None
            return bootstrap_statistic(
                lambda drawn: float(metric.score(similarities[drawn], labels[drawn])),
                len(labels),
                resamples=PAIR_RESAMPLES,
            )
        return None


def _components(edges: Tensor, count: int) -> Tensor:
    """Return the smallest node that each of so many nodes is connected with.

    Args:
        edges: Two nodes each, shape (E, 2).
        count: Number of nodes.

    Example:
        >>> _components(torch.tensor([[0, 3], [3, 1]]), 5)
        tensor([0, 0, 2, 0, 4])
    """
    labels = torch.arange(count)
    both = torch.cat([edges, edges.flip(1)]).cpu()
    while True:
        spread = labels.scatter_reduce(0, both[:, 1], labels[both[:, 0]], "amin")
        spread = spread[spread]
        if torch.equal(spread, labels):
            return labels
        labels = spread
