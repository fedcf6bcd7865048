"""Comparison of two models over the same queries: which is better, and how sure that is."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

from quaterion_core.eval.statistics import (
    Interval,
    bootstrap_p_value,
    holm,
    randomization_test,
    rounded,
)
from quaterion_core.model import SimilarityModel
from quaterion_core.recipe.evaluate import (
    RECIPE_FILE,
    EvaluationData,
    EvaluationResult,
    evaluated,
    evaluation_data,
)
from quaterion_core.recipe.query_results import QueryResults, mean_interval, sample_interval
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
        p_value: Two-sided p-value, adjusted by Holm's method for the number of metrics: that of a
            paired randomisation test over queries or, for metrics that are no means over queries,
            of the bootstrap samples that the interval is of. ``None`` where there is no interval.
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
        """Whether the adjusted p-value is at most :data:`SIGNIFICANCE`."""
        return self.p_value is not None and self.p_value <= SIGNIFICANCE

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
        changed: Queries whose value of the first metric got worse most, then those where it got
            better most.
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
        rows = []
        for metric in self.metrics:
            low, high = metric.interval or (None, None)
            rows.append(
                {
                    "metric": metric.metric, "higher_is_better": metric.higher_is_better,
                    "a": metric.a, "b": metric.b,
                    "difference": metric.difference, "low": low, "high": high,
                    "p_value": metric.p_value, "significant": metric.is_significant,
                    "wins": metric.wins, "losses": metric.losses, "ties": metric.ties,
                }
            )  # fmt: skip
        return rows

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
    given = evaluation_data(
        _with_recipe(a, b),
        recipe,
        data=data,
        columns=columns,
        metrics=metrics,
        split=split,
        reference=reference,
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
        name: _of_queries(name, kind.higher_is_better, a.results, b.results)
        if name in a.results.values
        else _of_samples(name, a.results, b.results)
        for name, kind in kinds.items()
    }
    adjusted = holm({name: d.p_value for name, d in found.items() if d.p_value is not None})
    metrics = [
        MetricComparison(
            name,
            a.metrics[name],
            b.metrics[name],
            rounded(difference.value),
            difference.interval,
            rounded(adjusted[name]) if name in adjusted else None,
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

    value: float
    interval: Interval | None = None
    p_value: float | None = None
    counts: tuple[int | None, int | None, int | None] = (None, None, None)


def _of_queries(name: str, higher_is_better: bool, a: QueryResults, b: QueryResults) -> _Difference:
    """Compare the means of values of queries."""
    differences = (b.values[name] - a.values[name]).cpu().double()
    is_answered = ~differences.isnan()
    interval = mean_interval(differences, a.clusters)
    differences, clusters = differences[is_answered], a.clusters[is_answered]
    better = differences if higher_is_better else -differences
    wins, losses, ties = (int(which.sum()) for which in (better > 0, better < 0, better == 0))
    return _Difference(
        float(differences.mean()) if len(differences) else 0.0,
        interval,
        None if interval is None else randomization_test(differences, clusters),
        (wins, losses, ties),
    )


def _of_samples(name: str, a: QueryResults, b: QueryResults) -> _Difference:
    """Compare a metric that is no mean over queries, by the same bootstrap samples of both."""
    value = float(b.scores.values[name] - a.scores.values[name])
    of_a, of_b = a.resampled(name), b.resampled(name)
    if of_a is None or of_b is None:
        return _Difference(value)
    differences = of_b - of_a
    differences = differences[~differences.isnan()]
    interval = sample_interval(differences)
    if interval is None:
        return _Difference(value)
    clusters = len(torch.unique(a.retrieval.clusters))
    return _Difference(value, interval, bootstrap_p_value(differences, clusters))


def _changed(a: QueryResults, b: QueryResults, count: int) -> list[ChangedQuery]:
    """Return the queries whose value of the first metric got worse and better most, in this order.

    Half of them got worse and half of them better, or more of one where there are too few of the
    other.
    """
    if not a.values or count < 1:
        return []
    name = next(iter(a.values))
    of_a, of_b = a.values[name].cpu(), b.values[name].cpu()
    better = (of_b - of_a).nan_to_num(0.0)
    if not a.metrics[name].higher_is_better:
        better = -better
    order = better.argsort(stable=True)
    lost, won = order[better[order] < 0], order[better[order] > 0].flip(0)
    of_lost = min(len(lost), max((count + 1) // 2, count - len(won)))
    ordered = torch.cat([lost[:of_lost], won[: count - of_lost]])
    queries = a.scores.queries
    return [
        ChangedQuery(a.objects[int(queries[i])], name, float(of_a[i]), float(of_b[i]))
        for i in ordered.tolist()
    ]


def _with_recipe(a: ModelLike, b: ModelLike) -> SimilarityModel | str | os.PathLike[str]:
    """Return the first of the models that was saved with a recipe, or else the first one."""
    models = [model for model in (a, b) if not _is_untouched(model)]
    folders = [model for model in models if not isinstance(model, SimilarityModel)]
    return next((folder for folder in folders if (Path(folder) / RECIPE_FILE).exists()), models[0])


def _is_untouched(model: ModelLike) -> bool:
    return isinstance(model, str) and model == UNTOUCHED


def _opened(model: ModelLike, other: ModelLike, given: EvaluationData) -> SimilarityModel:
    if _is_untouched(model):
        return untouched_model(_opened(other, other, given), given.recipe)
    return model if isinstance(model, SimilarityModel) else SimilarityModel.load(Path(model))


def _name_of(model: ModelLike) -> str:
    return "a model" if isinstance(model, SimilarityModel) else str(model)
