"""Metrics of all systems over the same queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quaterion_core.eval import AttachedMetric
from quaterion_core.eval.scoring import score
from quaterion_report.corpus import Corpus
from quaterion_report.gathering import Evaluated
from quaterion_report.report_data import Estimate, Metric, SystemKey


def metric_table(
    corpus: Corpus, systems: Mapping[SystemKey, Evaluated], metrics: Sequence[AttachedMetric]
) -> list[Metric]:
    """Return the metrics of all systems.

    Args:
        corpus: What was searched.
        systems: The systems, by key.
        metrics: The metrics.
    """
    by_name = {metric.name: metric.metric for metric in metrics}
    values = {
        key: score(by_name, corpus.retrieval(system.embeddings)).values
        for key, system in systems.items()
    }
    return [
        Metric(
            name=name,
            values={
                key: Estimate(value=round(float(of_system[name]), 6))
                for key, of_system in values.items()
            },
        )
        for name in by_name
    ]
