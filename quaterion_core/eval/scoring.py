"""Several metrics of one retrieval, which share its blocks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from quaterion_core.eval.base_metric import BaseMetric
from quaterion_core.eval.retrieval import Retrieval


@torch.no_grad()
def score(metrics: Mapping[str, BaseMetric], retrieval: Retrieval) -> dict[str, Tensor]:
    """Compute several metrics of one retrieval.

    Distances and labels are computed once for all metrics, block by block. A metric that
    :attr:`needs all queries <quaterion_core.eval.BaseMetric.needs_all_queries>` is computed by
    itself.

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
