"""Logged values that epochs are compared by: their names and their modes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.plugins.nearest import unknown_name

Mode = Literal["min", "max"]


def monitored(monitor: str, metrics: Iterable[AttachedMetric]) -> tuple[str, Mode]:
    """Return the name that a monitored value is logged under, and its mode.

    Args:
        monitor: A loss, or a metric by its name, with or without ``_validation`` or ``_train``.
        metrics: The attached metrics.

    Example:
        >>> monitored("validation_loss", [])
        ('validation_loss', 'min')
        >>> from quaterion_core.eval import RecallAtK
        >>> monitored("recall@1", [AttachedMetric("recall@1", RecallAtK())])
        ('recall@1_validation', 'max')
    """
    for metric in metrics:
        mode: Mode = "max" if metric.metric.higher_is_better else "min"
        if monitor in (metric.name, f"{metric.name}_validation"):
            return f"{metric.name}_validation", mode
        if monitor == f"{metric.name}_train":
            return monitor, mode
    return monitor, "min"


def unknown_monitor(monitor: str, metrics: Iterable[AttachedMetric]) -> str | None:
    """Return an error message if nothing of that name is logged, or ``None``.

    Example:
        >>> unknown_monitor("validation_los", [])
        "There is nothing to monitor called 'validation_los': did you mean 'validation_loss'? ..."
    """
    known = ["validation_loss", "train_loss", *(metric.name for metric in metrics)]
    logged = [*known, *(f"{n}_{stage}" for n in known[2:] for stage in ("validation", "train"))]
    if monitor in logged:
        return None
    statement = "There is nothing to monitor called"
    return unknown_name(statement, monitor, known, known_as="Choose one of")


def wrong_mode(monitor: str, mode: object, metrics: Iterable[AttachedMetric]) -> str | None:
    """Return an error message if a mode prefers the worse values, or ``None``.

    Example:
        >>> print(wrong_mode("train_loss", "max", []))
        Expected the mode 'min' for 'train_loss', of which lower values are better, got 'max'.
    """
    _, better = monitored(monitor, metrics)
    if mode not in ("min", "max") or mode == better:
        return None
    values = "higher" if better == "max" else "lower"
    return (
        f"Expected the mode {better!r} for {monitor!r}, of which {values} values are better, got "
        f"{mode!r}."
    )
