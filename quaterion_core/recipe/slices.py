"""Metrics over parts of the queries: by group, by length, by what training has seen, by column."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

from quaterion_core.dataset.missing import is_missing
from quaterion_core.dataset.similarity_samples import SimilarityPairSample
from quaterion_core.eval.statistics import Interval, rounded
from quaterion_core.recipe.query_results import QueryResults, mean_interval

BY_GROUP: Final = "group"
BY_LENGTH: Final = "length"
BY_SEEN: Final = "seen"

_PARTS: Final = 4
"""Number of parts of about the same size that lengths are divided into."""


@dataclass(frozen=True)
class Slice:
    """Metrics over a part of the queries.

    Attributes:
        by: What the queries are divided by: ``group``, ``length``, ``seen``, or a column.
        value: The value that these queries share, or the range of their lengths.
        queries: Number of queries that have a relevant object.
        metrics: Value of each metric.
        intervals: 95 % bootstrap interval of each metric; ``None`` for a single query.
    """

    by: str
    value: str
    queries: int
    metrics: dict[str, float]
    intervals: dict[str, Interval | None]

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat dictionary for each metric, such as for a data frame."""
        rows = []
        for name, value in self.metrics.items():
            low, high = self.intervals[name] or (None, None)
            rows.append(
                {
                    "by": self.by, "part": self.value, "metric": name, "value": value,
                    "low": low, "high": high, "queries": self.queries,
                }
            )  # fmt: skip
        return rows


def sliced(results: QueryResults, by: str, labels: Sequence[str]) -> list[Slice]:
    """Return the metrics of the queries that share a label, the most frequent label first.

    Args:
        results: Values of the queries.
        by: Name of what the labels are.
        labels: Label of each query.
    """
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    number_of = torch.tensor([numbers[label] for label in labels])
    parts = []
    for label, number in numbers.items():
        chosen = number_of == number
        values = {name: of_all.cpu()[chosen] for name, of_all in results.values.items()}
        answered = {name: of_part[~of_part.isnan()] for name, of_part in values.items()}
        count = max(map(len, answered.values()), default=0)
        if not count:
            continue
        clusters = results.clusters[chosen]
        if len(torch.unique(clusters)) == 1:  # as in a slice of one group: its queries are drawn
            clusters = torch.arange(len(clusters))
        parts.append(
            Slice(
                by,
                label,
                count,
                {name: rounded(of_part.double().mean()) for name, of_part in answered.items()},
                {name: mean_interval(of_part, clusters) for name, of_part in values.items()},
            )
        )
    return parts if by == BY_LENGTH else sorted(parts, key=lambda part: -part.queries)


def group_labels(results: QueryResults, samples: Sequence[Any]) -> list[str]:
    """Return the group of each query, for pairs its subgroup.

    Args:
        results: Results of these samples.
        samples: The samples.
    """
    names = _groups_by_row(results, samples)
    return [_shown(names.get(row)) for row in results.scores.queries.tolist()]


def seen_labels(
    results: QueryResults, samples: Sequence[Any], training: Sequence[Any]
) -> list[str]:
    """Return for each query whether its group, for pairs its subgroup, is in the training data.

    Args:
        results: Results of these samples.
        samples: The samples.
        training: The training samples.

    Raises:
        ValueError: The samples have neither groups nor subgroups.
    """
    names = _groups_by_row(results, samples)
    if all(is_missing(name) for name in names.values()):
        raise ValueError(
            "Expected samples with a group or a subgroup to tell seen from unseen ones, got none."
        )
    known = {_group_of(sample) for sample in training}
    rows = results.scores.queries.tolist()
    return ["seen" if names.get(row) in known else "unseen" for row in rows]


def length_labels(results: QueryResults) -> list[str]:
    """Return the range of numbers of words that each query is in, of four with as many queries.

    Raises:
        TypeError: A query is not a text.
    """
    texts = results.queries
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(
                f"Expected texts to divide them by length, got a {type(text).__name__}."
            )
    lengths = torch.tensor([len(text.split()) for text in texts])
    ordered = lengths.sort().values
    bounds = sorted({int(ordered[len(ordered) * part // _PARTS]) for part in range(_PARTS)})
    names = [
        f"{low} to {high - 1} words" if low < high - 1 else f"{low} words"
        for low, high in zip(bounds, [*bounds[1:], int(ordered[-1]) + 1], strict=True)
    ]
    place = torch.searchsorted(torch.tensor(bounds), lengths, right=True) - 1
    # Ranges come in order: the first text of each range decides where it appears.
    return [names[number] for number in place.tolist()]


def column_labels(
    results: QueryResults, samples: Sequence[Any], with_column: Sequence[Any]
) -> list[str]:
    """Return the value of a column for each query.

    Args:
        results: Results of the samples.
        samples: The samples.
        with_column: The same samples, with the column as their group or subgroup.

    Raises:
        ValueError: There are not as many.
    """
    if len(samples) != len(with_column):
        raise ValueError(
            f"Expected a value of the column for each of {len(samples):,} samples, got "
            f"{len(with_column):,}."
        )
    return group_labels(results, with_column)


def _groups_by_row(results: QueryResults, samples: Sequence[Any]) -> Mapping[int, Hashable]:
    if isinstance(samples[0], SimilarityPairSample):
        rows = results.retrieval.targets["pairs"][:, 0].tolist()
    else:
        rows = list(range(len(samples)))
    return {row: _group_of(sample) for row, sample in zip(rows, samples, strict=False)}


def _group_of(sample: Any) -> Hashable:
    group: Hashable = sample.subgroup if isinstance(sample, SimilarityPairSample) else sample.group
    return group


def _shown(group: Hashable) -> str:
    return "none" if is_missing(group) else str(group)
