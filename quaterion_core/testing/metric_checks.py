"""Conformance checks for metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from quaterion_core.eval import BaseMetric, GroupMetric, WholeGroupsMetric
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.testing.checks import CheckError, Checks, NotApplicableError
from quaterion_core.testing.comparing import (
    TOLERANCE,
    rebuilt,
    require_finite,
    require_interface,
    require_same,
)
from quaterion_core.testing.devices import require_other_device
from quaterion_core.testing.loss_batches import Batch, concatenated, training_batch, vectors
from quaterion_core.testing.report import Report
from quaterion_core.testing.subject import Example, Subject, subject_of

_SIZE: Final = 10
_SIMILAR: Final = 4
"""Number of similar pairs in batches of known ranking; each pair lies on its own axis."""
_LEAST_DIFFERENCE: Final = 1e-3
_SEEDS: Final = range(5)


class MetricSubject(Subject[BaseMetric]):
    """A metric under test, with batches for it."""

    @property
    def is_group(self) -> bool:
        """Whether the metric takes groups rather than pairs."""
        return isinstance(self.fresh(), GroupMetric)

    def batch(self, seed: int = 1) -> Batch:
        """Create a random batch."""
        return training_batch(self.is_group, _SIZE, seed=seed)

    def value(self, batch: Batch) -> Tensor:
        """Compute the metric for one batch."""
        return self.fresh().compute(batch.embeddings, **batch.targets)


METRIC_CHECKS: Final = Checks[MetricSubject]("metric")


def check_metric(
    metric: BaseMetric | Callable[[], BaseMetric],
    *,
    expected_failures: Mapping[str, str] | None = None,
) -> Report:
    """Check a metric.

    Args:
        metric: A metric, which is not modified, or a function or class that builds one.
        expected_failures: Reasons for checks that are expected to fail, keyed by their names.

    Returns:
        A report with one result per check in :data:`METRIC_CHECKS`.

    Raises:
        ValueError: If ``expected_failures`` names an unknown check.

    Example:
        >>> from quaterion_core.eval import RetrievalPrecision
        >>> check_metric(RetrievalPrecision(k=2)).raise_for_failures()
    """
    subject = subject_of(metric, BaseMetric, Example(), MetricSubject)
    return METRIC_CHECKS.run(subject, subject.name, expected_failures)


@METRIC_CHECKS.add
def construction(subject: MetricSubject) -> None:
    """The metric cannot be built from the arguments given, or cannot be copied.

    Pass the arguments that its constructor requires: `Example(arguments={...})` under the metric's
    name in `examples`; or fix the constructor.
    """
    subject.built()


@METRIC_CHECKS.add
def interface(subject: MetricSubject) -> None:
    """The class is not derived from `BaseMetric`, or its value is not a floating-point tensor.

    Derive from `quaterion_core.eval.GroupMetric` or `PairMetric`, and return a floating-point
    tensor.
    """
    require_interface(subject.fresh(), BaseMetric)
    value = subject.value(subject.batch())
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim > 1:
        kind = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value)
        raise CheckError(
            f"the value: expected a floating-point scalar or one number per query, got {kind}"
        )


@METRIC_CHECKS.add
def ranking(subject: MetricSubject) -> None:
    """Perfect embeddings do not score highest, or the worst embeddings lowest.

    Check the direction of the ranking: distances grow as similarities fall. For a metric where
    lower is better, list the check in `expected_failures`.
    """
    perfect = _number(subject.value(_extreme_batch(subject.is_group, 1.0)))
    worst = _number(subject.value(_extreme_batch(subject.is_group, -1.0)))
    if not perfect > worst + _LEAST_DIFFERENCE:
        raise CheckError(
            f"expected a higher value for perfect embeddings than for the worst, got {perfect:.3g} "
            "and "
            f"{worst:.3g}"
        )
    for seed in _SEEDS:
        value = _number(subject.value(_random_batch(subject.is_group, seed)))
        if not worst - TOLERANCE <= value <= perfect + TOLERANCE:
            raise CheckError(
                f"random embeddings: expected a value between {worst:.3g} (worst) and "
                f"{perfect:.3g} "
                f"(perfect), got {value:.3g}"
            )


@METRIC_CHECKS.add
def determinism(subject: MetricSubject) -> None:
    """Evaluating the same data again gives a different value.

    Do not change state or draw random numbers in `compute`, `evaluate` and `query_values`.
    """
    metric, batch = subject.fresh(), subject.batch()
    metric.update(batch.embeddings, **batch.targets)
    first = metric.evaluate()
    require_same(metric.evaluate(), first, "the value evaluated again")


@METRIC_CHECKS.add
def config_round_trip(subject: MetricSubject) -> None:
    """The configuration does not restore the metric.

    Return every constructor argument from `get_config_dict()` as a JSON value, including those from
    `super().get_config_dict()`.
    """
    metric = subject.fresh()
    again = rebuilt(metric)
    for seed in _SEEDS:
        batch = subject.batch(seed)
        require_same(
            again.compute(batch.embeddings, **batch.targets),
            metric.compute(batch.embeddings, **batch.targets),
            "the value after a round trip",
        )


@METRIC_CHECKS.add
def order_invariance(subject: MetricSubject) -> None:
    """The value depends on the order of the objects or of the pairs.

    Rank by distance only, and index the objects of a pair with `pairs`.
    """
    expected = subject.value(subject.batch()).sort().values
    value = subject.value(subject.batch().reordered()).sort().values
    require_same(value, expected, "the value in a different order")


@METRIC_CHECKS.add
def ids(subject: MetricSubject) -> None:
    """The value depends on more than the equality of ids, or large ids are confused.

    Compare groups and subgroups only with `==`, as int64: float32 and float64 round large ids.
    """
    value = subject.value(subject.batch().renamed())
    require_same(value, subject.value(subject.batch()), "the value with different ids")


@METRIC_CHECKS.add
def batches(subject: MetricSubject) -> None:
    """The value over several batches differs from that over all objects at once.

    Collect in `update` and compute in `evaluate`; do not average over batches.
    """
    metric, parts = subject.fresh(), [subject.batch(seed) for seed in (1, 2)]
    for part in parts:
        metric.update(part.embeddings, **part.targets)
    expected = subject.value(concatenated(parts))
    require_same(metric.evaluate(), expected, "the value over two batches")


@METRIC_CHECKS.add
def reset(subject: MetricSubject) -> None:
    """`reset()` does not discard earlier batches.

    Call `super().reset()`, and clear everything that `update` added.
    """
    metric = subject.fresh()
    earlier, batch = (_extreme_batch(subject.is_group, sign) for sign in (1.0, -1.0))
    metric.update(earlier.embeddings, **earlier.targets)
    metric.reset()
    metric.update(batch.embeddings, **batch.targets)
    expected = subject.value(batch)
    require_same(metric.evaluate(), expected, "the value after a reset")


@METRIC_CHECKS.add
def degenerate(subject: MetricSubject) -> None:
    """No relevant objects, equal embeddings, zero vectors or a single object give NaN or an error.

    Bound divisors from below, and return 0 if there are no relevant objects.
    """
    for name, batch in _degenerate_batches(subject.is_group):
        require_finite(subject.value(batch), f"{name}: the value")


@METRIC_CHECKS.add
def precision(subject: MetricSubject) -> None:
    """Embeddings in half or double precision raise an error or change the value.

    Compute distances with `self.distance`, which widens half precision; convert with
    `.to(x.dtype)`.
    """
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        batch = subject.batch().to(dtype)
        expected = subject.value(batch.to(torch.float32))
        require_same(subject.value(batch), expected, f"the value for {dtype}")


@METRIC_CHECKS.add
def inputs_unchanged(subject: MetricSubject) -> None:
    """Distances or labels, which metrics share, are modified in place.

    Use out-of-place methods, such as `masked_fill` rather than `masked_fill_`.
    """
    metric, batch = subject.fresh(), subject.batch()
    if metric.needs_all_queries or isinstance(metric, WholeGroupsMetric):
        raise NotApplicableError("the metric does not compute its value per query")
    retrieval = Retrieval(batch.embeddings, batch.targets)
    distances = retrieval.distance_matrix(metric.distance, retrieval.queries)
    labels = retrieval.labels(metric.prepare_labels, retrieval.queries) > 0
    given = distances.clone(), labels.clone()
    metric.query_values(*given)
    for name, before, after in zip(
        ("distances", "labels"), (distances, labels), given, strict=True
    ):
        if not torch.equal(before, after):
            raise CheckError(
                f"expected unchanged {name}, but query_values() modifies them in place"
            )


@METRIC_CHECKS.add
def device(subject: MetricSubject) -> None:
    """The metric mixes devices when the embeddings are on a GPU.

    Pass `device=` when creating tensors.
    """
    metric, batch = subject.fresh(), subject.batch()

    def value(inputs: Any) -> Tensor:
        return metric.compute(inputs[0], **inputs[1])

    require_other_device(None, (batch.embeddings, batch.targets), value)


def _number(value: Tensor) -> float:
    return float(value.mean())


def _extreme_batch(is_group: bool, sign: float) -> Batch:
    """Create a batch whose similar objects are all close (sign 1) or all opposite (sign -1).

    Dissimilar objects are orthogonal, except that with sign -1 the two objects of a dissimilar pair
    are equal.
    """
    axes = torch.eye(_SIZE)
    similar = axes[:_SIMILAR]
    near = torch.nn.functional.normalize(similar + 0.05 * axes[_SIMILAR : 2 * _SIMILAR])
    return _with_targets(is_group, similar, sign * near, sign)


def _random_batch(is_group: bool, seed: int) -> Batch:
    first, second = vectors(2 * _SIMILAR, _SIZE, seed).chunk(2)
    return _with_targets(is_group, first, second, 1.0)


def _with_targets(is_group: bool, first: Tensor, second: Tensor, sign: float) -> Batch:
    """Create a batch of similar objects; a batch of pairs also contains dissimilar ones."""
    if is_group:
        return Batch.of_groups(torch.cat([first, second]), [*range(_SIMILAR)] * 2)
    apart = torch.eye(_SIZE)[2 * _SIMILAR :]
    other = apart.flip(0) if sign > 0 else apart
    labels = [1.0] * _SIMILAR + [0.0] * len(apart)
    embeddings = torch.cat([first, apart, second, other])
    return Batch.of_pairs(embeddings, labels, range(len(labels)))


def _degenerate_batches(is_group: bool) -> Sequence[tuple[str, Batch]]:
    four, ones = vectors(4, _SIZE), torch.ones(4, _SIZE)
    if is_group:
        return [
            ("one object", Batch.of_groups(four[:1], [0])),
            ("no two of one group", Batch.of_groups(four, [0, 1, 2, 3])),
            ("one group", Batch.of_groups(four, [0, 0, 0, 0])),
            ("equal embeddings", Batch.of_groups(ones, [0, 0, 1, 1])),
            ("zero vectors", Batch.of_groups(0 * ones, [0, 0, 1, 1])),
        ]
    return [
        ("one pair", Batch.of_pairs(four[:2], [1.0], [0])),
        ("one dissimilar pair", Batch.of_pairs(four[:2], [0.0], [0])),
        ("no similar pair", Batch.of_pairs(four, [0.0, 0.0], [0, 1])),
        ("similar pairs only", Batch.of_pairs(four, [1.0, 1.0], [0, 1])),
        ("equal embeddings", Batch.of_pairs(ones, [1.0, 0.0], [0, 1])),
        ("zero vectors", Batch.of_pairs(0 * ones, [1.0, 0.0], [0, 1])),
    ]
