"""What is checked of a metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from quaterion_core.eval import BaseMetric, GroupMetric
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
"""Pairs of similar objects in the batches whose ranking is known, each with an axis of its own."""
_LEAST_DIFFERENCE: Final = 1e-3
_SEEDS: Final = range(5)


class MetricSubject(Subject[BaseMetric]):
    """A metric, and the batches that suit it."""

    @property
    def is_group(self) -> bool:
        """Whether it takes groups, and not pairs."""
        return isinstance(self.fresh(), GroupMetric)

    def batch(self, seed: int = 1) -> Batch:
        """Make a batch at random."""
        return training_batch(self.is_group, _SIZE, seed=seed)

    def value(self, batch: Batch) -> Tensor:
        """Return what the metric gives for one batch."""
        return self.fresh().compute(batch.embeddings, **batch.targets)


METRIC_CHECKS: Final = Checks[MetricSubject]("metric")


def check_metric(
    metric: BaseMetric | Callable[[], BaseMetric],
    *,
    expected_failures: Mapping[str, str] | None = None,
) -> Report:
    """Check a metric.

    Args:
        metric: A metric, which is left as it is, or a function or class that builds one.
        expected_failures: Why a check fails that cannot be passed, by the name of the check.

    Returns:
        One result for each check of :data:`METRIC_CHECKS`.

    Raises:
        ValueError: There is no check of a name.

    Example:
        >>> from quaterion_core.eval import RetrievalPrecision
        >>> check_metric(RetrievalPrecision(k=2)).raise_for_failures()
    """
    subject = subject_of(metric, BaseMetric, Example(), MetricSubject)
    return METRIC_CHECKS.run(subject, subject.name, expected_failures)


@METRIC_CHECKS.add
def construction(subject: MetricSubject) -> None:
    """The metric cannot be built from the arguments given, or not be copied.

    Give what its constructor needs: `Example(arguments={...})` under the metric's name in
    `examples`; or mend the constructor.
    """
    subject.built()


@METRIC_CHECKS.add
def interface(subject: MetricSubject) -> None:
    """The class is not derived from `BaseMetric`, or its value is no floating-point tensor.

    Derive from `quaterion_core.eval.GroupMetric` or `PairMetric`, and return a tensor.
    """
    require_interface(subject.fresh(), BaseMetric)
    value = subject.value(subject.batch())
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim > 1:
        kind = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value)
        raise CheckError(
            f"the value is {kind}, expected was a floating-point scalar, or one number for each "
            "query"
        )


@METRIC_CHECKS.add
def ranking(subject: MetricSubject) -> None:
    """Perfect embeddings do not have the highest value, or the worst not the lowest.

    Look at which side of the ranking counts: distances grow where similarities fall. Of a metric
    of which less is better, expect the failure and say so.
    """
    perfect = _number(subject.value(_extreme_batch(subject.is_group, 1.0)))
    worst = _number(subject.value(_extreme_batch(subject.is_group, -1.0)))
    if not perfect > worst + _LEAST_DIFFERENCE:
        raise CheckError(
            f"perfect embeddings have the value {perfect:.3g} and the worst {worst:.3g}, expected "
            "was more for perfect ones"
        )
    for seed in _SEEDS:
        value = _number(subject.value(_random_batch(subject.is_group, seed)))
        if not worst - TOLERANCE <= value <= perfect + TOLERANCE:
            raise CheckError(
                f"random embeddings have the value {value:.3g}, expected was one between those of "
                f"the worst, {worst:.3g}, and of perfect ones, {perfect:.3g}"
            )


@METRIC_CHECKS.add
def determinism(subject: MetricSubject) -> None:
    """The value is another one when it is asked for again.

    Change no state in `compute`, `evaluate` and `query_values`; draw nothing at random.
    """
    metric, batch = subject.fresh(), subject.batch()
    metric.update(batch.embeddings, **batch.targets)
    first = metric.evaluate()
    require_same(metric.evaluate(), first, "the value when evaluated a second time")


@METRIC_CHECKS.add
def config_round_trip(subject: MetricSubject) -> None:
    """The configuration does not build the same metric again.

    Return every argument of the constructor from `get_config_dict()`, as JSON values, those of
    `super().get_config_dict()` included.
    """
    metric = subject.fresh()
    again = rebuilt(metric)
    for seed in _SEEDS:
        batch = subject.batch(seed)
        require_same(
            again.compute(batch.embeddings, **batch.targets),
            metric.compute(batch.embeddings, **batch.targets),
            "the value when built again",
        )


@METRIC_CHECKS.add
def order_invariance(subject: MetricSubject) -> None:
    """The value depends on the order of the objects or of the pairs.

    Rank by distance alone; find the objects of a pair by `pairs`.
    """
    expected = subject.value(subject.batch()).sort().values
    value = subject.value(subject.batch().reordered()).sort().values
    require_same(value, expected, "the value in another order")


@METRIC_CHECKS.add
def ids(subject: MetricSubject) -> None:
    """More than the equality of groups or subgroups counts, or large ids are mixed up.

    Compare ids with `==` only, as int64: float32 and float64 hold several of them equal.
    """
    value = subject.value(subject.batch().renamed())
    require_same(value, subject.value(subject.batch()), "the value with other ids")


@METRIC_CHECKS.add
def batches(subject: MetricSubject) -> None:
    """The value over several batches is not that over all of their objects at once.

    Collect in `update` and compute in `evaluate`; take no mean of the values of batches.
    """
    metric, parts = subject.fresh(), [subject.batch(seed) for seed in (1, 2)]
    for part in parts:
        metric.update(part.embeddings, **part.targets)
    expected = subject.value(concatenated(parts))
    require_same(metric.evaluate(), expected, "the value over two batches")


@METRIC_CHECKS.add
def reset(subject: MetricSubject) -> None:
    """After `reset()` something of earlier batches is left.

    Call `super().reset()`, and forget everything that `update` added.
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
    """Nothing relevant, equal embeddings, zero vectors or a single object give NaN or an error.

    Bound divisors from below; return 0 where nothing can be found.
    """
    for name, batch in _degenerate_batches(subject.is_group):
        require_finite(subject.value(batch), f"{name}: the value")


@METRIC_CHECKS.add
def precision(subject: MetricSubject) -> None:
    """Embeddings in half or double precision are refused, or give another value.

    Take distances from `self.distance`, which widens half precision; convert with `.to(x.dtype)`.
    """
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        batch = subject.batch().to(dtype)
        expected = subject.value(batch.to(torch.float32))
        require_same(subject.value(batch), expected, f"the value for {dtype}")


@METRIC_CHECKS.add
def inputs_unchanged(subject: MetricSubject) -> None:
    """Distances or labels are changed in place, which other metrics share.

    Use methods that return a new tensor: `masked_fill`, not `masked_fill_`.
    """
    metric, batch = subject.fresh(), subject.batch()
    if metric.needs_all_queries:
        raise NotApplicableError("it computes its value from a retrieval or a matrix of its own")
    retrieval = Retrieval(batch.embeddings, batch.targets)
    distances = retrieval.distance_matrix(metric.distance, retrieval.queries)
    labels = retrieval.labels(metric.prepare_labels, retrieval.queries) > 0
    given = distances.clone(), labels.clone()
    metric.query_values(*given)
    for name, before, after in zip(
        ("distances", "labels"), (distances, labels), given, strict=True
    ):
        if not torch.equal(before, after):
            raise CheckError(f"query_values() changes the {name} that it is given")


@METRIC_CHECKS.add
def device(subject: MetricSubject) -> None:
    """The metric mixes devices once the embeddings are on a GPU.

    Give `device=` to each tensor that is made.
    """
    metric, batch = subject.fresh(), subject.batch()

    def value(inputs: Any) -> Tensor:
        return metric.compute(inputs[0], **inputs[1])

    require_other_device(None, (batch.embeddings, batch.targets), value)


def _number(value: Tensor) -> float:
    return float(value.mean())


def _extreme_batch(is_group: bool, sign: float) -> Batch:
    """Make a batch whose similar objects are all near (sign 1) or all opposite (sign -1).

    Objects that are not similar are at right angles to each other, but for the pairs that say so
    where similar ones are opposite: these are equal.
    """
    axes = torch.eye(_SIZE)
    similar = axes[:_SIMILAR]
    near = torch.nn.functional.normalize(similar + 0.05 * axes[_SIMILAR : 2 * _SIMILAR])
    return _with_targets(is_group, similar, sign * near, sign)


def _random_batch(is_group: bool, seed: int) -> Batch:
    first, second = vectors(2 * _SIMILAR, _SIZE, seed).chunk(2)
    return _with_targets(is_group, first, second, 1.0)


def _with_targets(is_group: bool, first: Tensor, second: Tensor, sign: float) -> Batch:
    """Make a batch of similar objects; one of pairs has some that are not similar beside them."""
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
        ("one pair that is not similar", Batch.of_pairs(four[:2], [0.0], [0])),
        ("no similar pair", Batch.of_pairs(four, [0.0, 0.0], [0, 1])),
        ("similar pairs only", Batch.of_pairs(four, [1.0, 1.0], [0, 1])),
        ("equal embeddings", Batch.of_pairs(ones, [1.0, 0.0], [0, 1])),
        ("zero vectors", Batch.of_pairs(0 * ones, [1.0, 0.0], [0, 1])),
    ]
