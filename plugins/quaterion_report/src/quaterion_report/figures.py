"""Metrics of all systems over the same queries: intervals, differences, and the worst slices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

import torch
from torch import Tensor

from quaterion_core.eval.scoring import score
from quaterion_core.recipe.comparison import MetricComparison, compared
from quaterion_core.recipe.evaluate import EvaluationData, EvaluationResult
from quaterion_core.recipe.query_results import QueryResults, mean_interval
from quaterion_core.recipe.slices import (
    BY_GROUP,
    BY_LENGTH,
    BY_SEEN,
    group_labels,
    length_labels,
    seen_labels,
)
from quaterion_report.corpus import Corpus, text_of
from quaterion_report.gathering import SHORT_TEXT, Evaluated
from quaterion_report.report_data import (
    MODEL,
    OTHER,
    UNTOUCHED,
    Difference,
    Estimate,
    Metric,
    Slice,
    Slices,
    SystemKey,
)

SMALLEST_SLICE: Final = 10
SHOWN_SLICES: Final = 12


class Figures:
    """Metrics of several systems.

    Args:
        corpus: What was searched.
        systems: The systems by key, the model first.
        given: The samples of the corpus, and the metrics.
    """

    def __init__(
        self, corpus: Corpus, systems: Mapping[SystemKey, Evaluated], given: EvaluationData
    ):
        self._corpus = corpus
        self._given = given
        self._evaluations = {
            key: _evaluation(corpus, system.embeddings, given) for key, system in systems.items()
        }

    def metrics(self) -> list[Metric]:
        """Return the metrics, with intervals and differences where these are known.

        A value that is not finite is left out.
        """
        model = self._evaluations[MODEL]
        differences = {
            key: {
                metric.metric: _difference(metric)
                for metric in compared(other, model, self._given, changed=0).metrics
                if metric.interval is not None
            }
            for key, other in self._evaluations.items()
            if key != MODEL
        }
        return [
            Metric(
                name=name,
                values={
                    key: _estimate(evaluation.metrics[name], evaluation.intervals[name])
                    for key, evaluation in self._evaluations.items()
                    if math.isfinite(evaluation.metrics[name])
                },
                differences={
                    key: of_metrics[name]
                    for key, of_metrics in differences.items()
                    if name in of_metrics
                },
            )
            for name in model.metrics
        ]

    def slices(self) -> Slices | None:
        """Return the slices with the lowest values of the first metric that has query values."""
        results = _results(self._evaluations[MODEL])
        if not results.values:
            return None
        name = next(iter(results.values))
        values = results.values[name].cpu()
        reference = next((key for key in (OTHER, UNTOUCHED) if key in self._evaluations), None)
        others = None
        if reference is not None:
            others = _results(self._evaluations[reference]).values[name].cpu()
        found = []
        for by, labels in self._labels(results):
            for label, chosen in _parts(labels, ~values.isnan()):
                clusters = results.clusters[chosen]
                if by == BY_GROUP:  # one cluster: its queries are drawn
                    clusters = torch.arange(len(clusters))
                ends = mean_interval(values[chosen], clusters)
                found.append(
                    Slice(
                        by=by,
                        name=text_of(label, SHORT_TEXT, 0),
                        queries=int(chosen.sum()),
                        estimate=_estimate(float(values[chosen].double().mean()), ends),
                        reference=None
                        if others is None
                        else round(float(others[chosen].double().mean()), 6),
                    )
                )
        if not found:
            return None
        found.sort(key=lambda part: (part.estimate.high or part.estimate.value, part.name))
        overall = round(float(values[~values.isnan()].double().mean()), 6)
        return Slices(metric=name, overall=overall, worst=found[:SHOWN_SLICES])

    def _labels(self, results: QueryResults) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield what the queries are divided by, and the part of each query."""
        if not self._corpus.are_roles:
            yield BY_GROUP, group_labels(results, self._given.samples)
            recipe, dataset = self._given.recipe, self._given.dataset
            if recipe is not None and recipe.splits.train in dataset.splits:
                training = dataset.load(recipe.splits.train)
                yield BY_SEEN, seen_labels(results, self._given.samples, training)
        if all(isinstance(query, str) for query in results.queries):
            yield BY_LENGTH, length_labels(results)


def _evaluation(corpus: Corpus, embeddings: Tensor, given: EvaluationData) -> EvaluationResult:
    """Return the metrics of embeddings of all objects of a corpus, as an evaluation does."""
    metrics = {metric.name: metric.metric for metric in given.metrics}
    retrieval = corpus.retrieval(embeddings)
    results = QueryResults(metrics, score(metrics, retrieval), retrieval, corpus.rows)
    return EvaluationResult(
        {name: float(value) for name, value in results.scores.values.items()},
        given.split,
        len(given.samples),
        queries=results.answered,
        intervals=results.intervals,
        results=results,
    )


def _results(evaluation: EvaluationResult) -> QueryResults:
    assert evaluation.results is not None
    return evaluation.results


def _parts(labels: Sequence[str], answered: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield the parts of the queries that are large enough, and which queries are in each."""
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    number_of = torch.tensor([numbers[label] for label in labels])
    sizes = torch.bincount(number_of[answered], minlength=len(numbers)).tolist()
    for label, number in numbers.items():
        if sizes[number] >= SMALLEST_SLICE:
            yield label, (number_of == number) & answered


def _difference(metric: MetricComparison) -> Difference:
    """Return a difference of the model, B, from another one, A."""
    outcome: Literal["better", "worse", "open"] = "open"
    if metric.is_significant and metric.difference:
        outcome = "worse" if metric.is_worse else "better"
    return Difference(
        estimate=_estimate(metric.difference, metric.interval),
        p_value=None if metric.p_value is None else round(metric.p_value, 6),
        outcome=outcome,
        wins=metric.wins,
        losses=metric.losses,
        ties=metric.ties,
    )


def _estimate(value: float, interval: tuple[float, float] | None) -> Estimate:
    low, high = interval or (None, None)
    return Estimate(
        value=round(value, 6),
        low=None if low is None else round(low, 6),
        high=None if high is None else round(high, 6),
    )
