"""What the commands that evaluate share: retrieval metrics of a model over samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from quaterion_core.dataset.similarity_samples import SimilarityPairSample
from quaterion_core.dataset.split_dataset import SplitDataset
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.evaluator import Evaluator
from quaterion_core.eval.samplers.group_sampler import GroupSampler
from quaterion_core.eval.samplers.pair_sampler import PairSampler
from quaterion_core.model import SimilarityModel


def load_reference(
    dataset: SplitDataset, split: str | None, loaded: Mapping[str | None, Sequence[Any]]
) -> Sequence[Any] | None:
    """Return the samples of the split that queries are searched among, if there is one.

    Args:
        dataset: The dataset.
        split: The split, or ``None``.
        loaded: The splits that are loaded already.

    Raises:
        ValueError: There is no such split, or its samples are none, or pairs.
    """
    if split is None:
        return None
    samples = loaded[split] if split in loaded else dataset.load(split)
    if not samples:
        raise ValueError(f"The reference is the split {split!r}, which has no samples.")
    if isinstance(samples[0], SimilarityPairSample):
        raise ValueError(
            f"The reference is the split {split!r}, but a reference is for data of groups, and "
            "these are pairs, which state what is to be found themselves. Leave it out."
        )
    return samples


def evaluate_samples(
    model: SimilarityModel,
    samples: Sequence[Any],
    metrics: Sequence[AttachedMetric],
    reference: Sequence[Any] | None = None,
) -> dict[str, float]:
    """Compute metrics over samples: of pairs, ``obj_a`` queries all ``obj_b``.

    Objects of groups query those of the reference, or all others where there is none.
    """
    if not samples or not metrics:
        return {}
    sampler = (
        PairSampler(distinguish=True, encode_batch_size=128, log_progress=False)
        if isinstance(samples[0], SimilarityPairSample)
        else GroupSampler(encode_batch_size=128, log_progress=False, reference=reference)
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
