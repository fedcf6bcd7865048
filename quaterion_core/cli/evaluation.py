"""What the commands that evaluate share: retrieval metrics of a model over samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from quaterion_core.dataset.similarity_samples import SimilarityPairSample
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.evaluator import Evaluator
from quaterion_core.eval.samplers.group_sampler import GroupSampler
from quaterion_core.eval.samplers.pair_sampler import PairSampler
from quaterion_core.model import SimilarityModel


def evaluate_samples(
    model: SimilarityModel, samples: Sequence[Any], metrics: Sequence[AttachedMetric]
) -> dict[str, float]:
    """Compute metrics over samples: of pairs, ``obj_a`` queries all ``obj_b``."""
    if not samples or not metrics:
        return {}
    sampler = (
        PairSampler(distinguish=True, encode_batch_size=128, log_progress=False)
        if isinstance(samples[0], SimilarityPairSample)
        else GroupSampler(encode_batch_size=128, log_progress=False)
    )
    evaluator = Evaluator({attached.name: attached.metric for attached in metrics}, sampler)
    values = evaluator.evaluate(samples, model)
    return {name: round(float(value), 6) for name, value in values.items()}


def metrics_table(columns: Mapping[str, Mapping[str, float]]) -> Table:
    """Return a table with a row for each metric and a column for each set of values."""
    table = Table("metric", *columns, box=None, pad_edge=False)
    for name in next(iter(columns.values())):
        table.add_row(name, *(f"{values[name]:.4f}" for values in columns.values()))
    return table
