"""Comparison of two models over the same queries: which is better, and how sure that is."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from quaterion_core.eval.pair.pair_score_metric import PairScoreMetric
from quaterion_core.eval.statistics import (
    Interval,
    bootstrap_interval,
    bootstrap_statistic,
    holm,
    randomization_test,
)
from quaterion_core.model import SimilarityModel
from quaterion_core.recipe.evaluate import (
    EvaluationData,
    EvaluationResult,
    evaluated,
    evaluation_data,
)
from quaterion_core.recipe.query_results import PAIR_RESAMPLES, QueryResults
from quaterion_core.recipe.reading import RecipeLike
from quaterion_core.recipe.untouched import untouched_model

UNTOUCHED: Final = "untouched"
"""Instead of a model: the encoders of the other one before training, without its head."""

SIGNIFICANCE: Final = 0.05
"""Adjusted p-value up to which a difference counts as significant."""

ModelLike = SimilarityModel | str | os.PathLike[str]


@dataclass(frozen=True)
class MetricComparison:
    """A metric of two models, A and B, over the same queries.

    Attributes:
        metric: Name of the metric.
        a: Value of A.
        b: Value of B.
        difference: Value of B minus that of A.
        interval: 95 % bootstrap interval of the difference; ``None`` where there is none.
        p_value: Two-sided p-value of a paired randomisation test over queries, adjusted by Holm's
            method for the number of metrics; ``None`` for metrics that are no means over queries.
        wins: Number of queries for which B is better.
        losses: Number of queries for which A is better.
        ties: Number of queries for which both are the same.
        higher_is_better: Whether the higher value is the better one.
    """

    metric: str
    a: float
    b: float
    difference: float
    interval: Interval | None
    p_value: float | None = None
    wins: int | None = None
    losses: int | None = None
    ties: int | None = None
    higher_is_better: bool = True

    @property
    def is_significant(self) -> bool:
        """Whether the difference can be told from chance at the level of 5 %.

        By the adjusted p-value; where there is none, by whether the interval leaves out 0.
        """
        if self.p_value is not None:
            return self.p_value <= SIGNIFICANCE
        return self.interval is not None and not self.interval.low <= 0 <= self.interval.high

    @property
    def is_worse(self) -> bool:
        """Whether B is significantly worse than A."""
        better = self.difference if self.higher_is_better else -self.difference
        return better < 0 and self.is_significant


@dataclass(frozen=True)
class ChangedQuery:
    """A query for which the two models differ.

    Attributes:
        query: The object.
        metric: Name of the metric.
        a: Value of A.
        b: Value of B.
    """

    query: Any
    metric: str
    a: float
    b: float


@dataclass(frozen=True)
class Comparison:
    """Two models, A and B, over the same data.

    Attributes:
        a: Name of A.
        b: Name of B.
        split: The split.
        queries: Number of distinct queries that have a relevant object.
        metrics: The metrics.
        changed: Queries whose value of the first metric fell most, then those where it rose most.
        results: The evaluations of A and of B.
    """

    a: str
    b: str
    split: str
    queries: int
    metrics: list[MetricComparison]
    changed: list[ChangedQuery]
    results: tuple[EvaluationResult, EvaluationResult]

    @property
    def worse(self) -> list[str]:
        """Names of the metrics in which B is significantly worse than A."""
        return [metric.metric for metric in self.metrics if metric.is_worse]

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat dictionary for each metric, such as for a data frame."""
        return [
            {
                "metric": metric.metric,
                "a": metric.a,
                "b": metric.b,
                "difference": round(metric.difference, 6),
                "low": None if metric.interval is None else round(metric.interval.low, 6),
                "high": None if metric.interval is None else round(metric.interval.high, 6),
                "p_value": None if metric.p_value is None else round(metric.p_value, 6),
                "wins": metric.wins,
                "losses": metric.losses,
                "ties": metric.ties,
                "significant": metric.is_significant,
            }
            for metric in self.metrics
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON values; objects that are no texts are described."""
        return {
            "a": self.a,
            "b": self.b,
            "split": self.split,
            "queries": self.queries,
            "metrics": self.rows(),
            "worse": self.worse,
            "changed": [
                {
                    "query": change.query if isinstance(change.query, str) else repr(change.query),
                    "metric": change.metric,
                    "a": change.a,
                    "b": change.b,
                }
                for change in self.changed
            ],
        }


def compare_models(
    a: ModelLike,
    b: ModelLike,
    recipe: RecipeLike | None = None,
    *,
    data: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    metrics: Sequence[Any] | Mapping[str, Any] | None = None,
    split: str | None = None,
    reference: str | None = None,
    changed: int = 10,
) -> Comparison:
    """Compare two models over the same queries.

    Differences are tested query by query, which tells models apart that unpaired intervals do not.
    Queries that are not independent, such as those of one group, are resampled together.

    Args:
        a: A model, or the folder that it is saved in; or ``"untouched"`` for the encoders of the
            other one before training, without its head.
        b: The model to compare with it, likewise.
        recipe: A recipe that names data and metrics; by default that of A, or else that of B.
        data: A file or dataset to compare on instead, as for
            :func:`~quaterion_core.recipe.evaluate_recipe`.
        columns: The columns of the file.
        metrics: Metrics, chosen as in a recipe; by default those of the recipe.
        split: The split; by default the validation split of the recipe.
        reference: For group samples, the split whose objects are searched.
        changed: Number of changed queries to return.

    Raises:
        RecipeError: There is no recipe, or it is invalid.
        FileNotFoundError: The data do not exist.
        ValueError: There are no metrics or no samples, or both models are ``"untouched"``.
    """
    if _is_untouched(a) and _is_untouched(b):
        raise ValueError(f"Expected at least one model besides {UNTOUCHED!r}, got none.")
    own = b if _is_untouched(a) else a
    given = evaluation_data(
        own, recipe, data=data, columns=columns, metrics=metrics, split=split, reference=reference
    )
    results = []
    for model, other in ((a, b), (b, a)):
        results.append(evaluated(_opened(model, other, given), given))
    return compared(
        results[0], results[1], given, names=(_name_of(a), _name_of(b)), changed=changed
    )


def compared(
    a: EvaluationResult,
    b: EvaluationResult,
    given: EvaluationData,
    *,
    names: tuple[str, str] = ("A", "B"),
    changed: int = 10,
) -> Comparison:
    """Compare the evaluations of two models over the same data.

    Args:
        a: The evaluation of A.
        b: The evaluation of B.
        given: The data and the metrics of both.
        names: Names of A and B.
        changed: Number of changed queries to return.
    """
    assert a.results is not None
    assert b.results is not None
    kinds = {metric.name: metric.metric for metric in given.metrics}
    found = {
        name: _of_queries(name, a.results, b.results)
        if name in a.results.values
        else _of_pairs(name, kind, a.results, b.results)
        for name, kind in kinds.items()
    }
    adjusted = holm({name: d.p_value for name, d in found.items() if d.p_value is not None})
    metrics = [
        MetricComparison(
            name,
            a.metrics[name],
            b.metrics[name],
            difference.mean,
            difference.interval,
            adjusted.get(name),
            *difference.counts,
            higher_is_better=kinds[name].higher_is_better,
        )
        for name, difference in found.items()
    ]
    return Comparison(
        *names, a.split, a.queries, metrics, _changed(a.results, b.results, changed), (a, b)
    )


class _Difference(NamedTuple):
    """Difference of a metric, its interval and p-value, and numbers of wins, losses and ties."""

    mean: float
    interval: Interval | None
    p_value: float | None = None
    counts: tuple[int | None, int | None, int | None] = (None, None, None)


def _of_queries(name: str, a: QueryResults, b: QueryResults) -> _Difference:
    differences = (b.values[name] - a.values[name]).cpu().double()
    is_answered = ~differences.isnan()
    differences, clusters = differences[is_answered], a.clusters[is_answered]
    if not len(differences):
        return _Difference(0.0, None, 1.0, (0, 0, 0))
    counts = (differences > 0).sum(), (differences < 0).sum(), (differences == 0).sum()
    wins, losses, ties = map(int, counts)
    return _Difference(
        float(differences.mean()),
        bootstrap_interval(differences, clusters),
        randomization_test(differences, clusters),
        (wins, losses, ties),
    )


def _of_pairs(name: str, kind: Any, a: QueryResults, b: QueryResults) -> _Difference:
    """Compare a metric of given pairs; both models are resampled together."""
    difference = float(b.scores.values[name] - a.scores.values[name])
    of_a, of_b = a.scores.scored_pairs.get(name), b.scores.scored_pairs.get(name)
    if of_a is None or of_b is None or not isinstance(kind, PairScoreMetric) or not len(of_a[1]):
        return _Difference(difference, None)

    def statistic(drawn: Tensor) -> float:
        labels = of_a[1][drawn]
        return float(kind.score(of_b[0][drawn], labels) - kind.score(of_a[0][drawn], labels))

    interval = bootstrap_statistic(statistic, len(of_a[1]), resamples=PAIR_RESAMPLES)
    return _Difference(difference, interval)


def _changed(a: QueryResults, b: QueryResults, count: int) -> list[ChangedQuery]:
    """Return the queries whose value of the first metric fell and rose most, in this order."""
    if not a.values or count < 1:
        return []
    name = next(iter(a.values))
    of_a, of_b = a.values[name].cpu(), b.values[name].cpu()
    differences = (of_b - of_a).nan_to_num(0.0)
    order = differences.argsort(stable=True)
    lost, won = order[differences[order] < 0], order[differences[order] > 0].flip(0)
    # Half of them lost and half of them won, or more of one where there are too few of the other.
    of_lost = min(len(lost), max((count + 1) // 2, count - len(won)))
    ordered = torch.cat([lost[:of_lost], won[: count - of_lost]])
    queries = a.scores.queries
    return [
        ChangedQuery(a.objects[int(queries[i])], name, float(of_a[i]), float(of_b[i]))
        for i in ordered.tolist()
    ]


def _is_untouched(model: ModelLike) -> bool:
    return isinstance(model, str) and model == UNTOUCHED


def _opened(model: ModelLike, other: ModelLike, given: EvaluationData) -> SimilarityModel:
    if _is_untouched(model):
        return untouched_model(_opened(other, other, given), given.recipe)
    return model if isinstance(model, SimilarityModel) else SimilarityModel.load(Path(model))


def _name_of(model: ModelLike) -> str:
    return "a model" if isinstance(model, SimilarityModel) else str(model)
