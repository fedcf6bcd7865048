"""Metrics of all systems over the same queries: intervals, differences, and the worst slices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

from quaterion_core.eval import AttachedMetric, GroupMetric
from quaterion_core.eval.scoring import Scores, score
from quaterion_core.eval.statistics import RESAMPLES, bootstrap_interval, holm, randomization_test
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
LENGTH_PARTS: Final = 4
_SLICE_RESAMPLES: Final = 2000


class Figures:
    """Metrics of several systems.

    Args:
        corpus: What was searched.
        systems: The systems by key, the model first.
        metrics: The metrics.
    """

    def __init__(
        self,
        corpus: Corpus,
        systems: Mapping[SystemKey, Evaluated],
        metrics: Sequence[AttachedMetric],
    ):
        by_name = {metric.name: metric.metric for metric in metrics}
        self._corpus = corpus
        self._scores: dict[SystemKey, Scores] = {
            key: score(by_name, corpus.retrieval(system.embeddings))
            for key, system in systems.items()
        }
        self._names = list(by_name)
        model = self._scores[MODEL]
        self._queries = corpus.number[model.queries.cpu()]
        # Metrics that are no mean over queries, such as ROC AUC, have no interval.
        self._means = [name for name in by_name if _is_mean(model, name)]
        self._clusters = self._groups()

    def metrics(self) -> list[Metric]:
        """Return the metrics, with intervals and differences where they are means over queries."""
        differences = {key: self._differences(key) for key in self._scores if key != MODEL}
        return [
            Metric(
                name=name,
                values={
                    key: self._estimate(scores.query_values[name])
                    if name in self._means
                    else Estimate(value=round(float(scores.values[name]), 6))
                    for key, scores in self._scores.items()
                    if scores.values[name].isfinite()
                },
                differences={
                    key: of_metrics[name]
                    for key, of_metrics in differences.items()
                    if name in of_metrics
                },
            )
            for name in self._names
        ]

    def slices(self) -> Slices | None:
        """Return the slices with the lowest values of the first metric that is a mean."""
        if not self._means:
            return None
        name = self._means[0]
        values = self._scores[MODEL].query_values[name].cpu()
        reference = next((key for key in (OTHER, UNTOUCHED) if key in self._scores), None)
        others = None if reference is None else self._scores[reference].query_values[name].cpu()
        found = []
        for by, part, chosen in self._parts(~values.isnan()):
            if int(chosen.sum()) < SMALLEST_SLICE:
                continue
            of_part = values[chosen]
            estimate = _estimate(of_part, None, _SLICE_RESAMPLES)
            before = None if others is None else round(float(others[chosen].double().mean()), 6)
            found.append(
                Slice(
                    by=by, name=part, queries=len(of_part), estimate=estimate, reference=before
                )
            )  # fmt: skip
        if not found:
            return None
        found.sort(key=lambda part: (part.estimate.high or part.estimate.value, part.name))
        overall = round(float(values[~values.isnan()].double().mean()), 6)
        return Slices(metric=name, overall=overall, worst=found[:SHOWN_SLICES])

    def _differences(self, key: SystemKey) -> dict[str, Difference]:
        """Return the differences of the model from another system, by metric."""
        ours, theirs = self._scores[MODEL].query_values, self._scores[key].query_values
        found, p_values = {}, {}
        for name in self._means:
            of_queries = (ours[name].double() - theirs[name].double()).cpu()
            answered = of_queries[~of_queries.isnan()]
            if not len(answered):
                continue
            found[name] = Difference(
                estimate=self._estimate(of_queries),
                wins=int((answered > 0).sum()),
                losses=int((answered < 0).sum()),
                ties=int((answered == 0).sum()),
            )
            p_values[name] = randomization_test(answered, self._clusters_of(of_queries))
        corrected = holm(p_values)
        return {
            name: difference.model_copy(update={"p_value": round(corrected[name], 6)})
            for name, difference in found.items()
        }

    def _estimate(self, of_queries: Tensor) -> Estimate:
        """Return the mean of values of queries, NaN where there is none, with its interval."""
        values = of_queries[~of_queries.isnan()]
        if not len(values):
            return Estimate(value=0.0)
        return _estimate(values, self._clusters_of(of_queries))

    def _clusters_of(self, of_queries: Tensor) -> Tensor | None:
        """Return the clusters of the queries that have a value."""
        return None if self._clusters is None else self._clusters[~of_queries.isnan().cpu()]

    def _groups(self) -> Tensor | None:
        """Return the group of each query if several share one."""
        if not issubclass(self._corpus.metric_type, GroupMetric):
            return None
        return self._numbered_groups()[1]

    def _numbered_groups(self) -> tuple[list[str | None], Tensor]:
        """Return the groups of the queries, and the number of that of each query."""
        names = [self._corpus.groups[obj] for obj in self._queries.tolist()]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        return list(numbers), torch.tensor([numbers[name] for name in names])

    def _parts(self, answered: Tensor) -> Iterator[tuple[str, str, Tensor]]:
        """Yield parts of the queries: by what, which, and the queries of it."""
        objects = [self._corpus.objects[obj] for obj in self._queries.tolist()]
        if not self._corpus.are_roles:
            names, numbers = self._numbered_groups()
            for number in (torch.bincount(numbers) >= SMALLEST_SLICE).nonzero().flatten().tolist():
                name = text_of(names[number], SHORT_TEXT, 0)
                yield "group", name, (numbers == number) & answered
        if all(isinstance(obj, str) for obj in objects):
            lengths = torch.tensor([len(obj.split()) for obj in objects])
            yield from _parts_by_length(lengths, answered)


def _parts_by_length(lengths: Tensor, answered: Tensor) -> Iterator[tuple[str, str, Tensor]]:
    """Yield parts of about the same size, from short texts to long ones."""
    known = lengths[answered].sort().values
    if not len(known):
        return
    edges = [int(known[len(known) * part // LENGTH_PARTS]) for part in range(LENGTH_PARTS)]
    starts = sorted(set(edges))
    for start, end in zip(starts, [*starts[1:], int(known[-1]) + 1], strict=True):
        last = end - 1
        words = f"{start} to {last} words" if last > start else f"{start} words"
        yield "length", words, (lengths >= start) & (lengths < end) & answered


def _is_mean(scores: Scores, name: str) -> bool:
    """Whether a metric is the mean of its values of the queries."""
    if name not in scores.query_values:
        return False
    values = scores.query_values[name]
    mean = values[~values.isnan()].double().mean()
    return bool((mean - scores.values[name]).abs() < 1e-4)


def _estimate(values: Tensor, clusters: Tensor | None, resamples: int = RESAMPLES) -> Estimate:
    low, high = bootstrap_interval(values, clusters, resamples=resamples)
    mean = float(values.double().mean())
    return Estimate(value=round(mean, 6), low=round(low, 6), high=round(high, 6))
