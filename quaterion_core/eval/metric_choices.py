"""Metrics chosen by name, each under the name that it is reported as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quaterion_core.components import build_component, split_choice
from quaterion_core.eval.attached_metric import AttachedMetric


def attached_metrics(metrics: Sequence[Any] | Mapping[str, Any]) -> list[AttachedMetric]:
    """Build metrics from choices, each under its own name or the one that a mapping gives it.

    Raises:
        ValueError: Two of them have the same name.
    """
    if isinstance(metrics, Mapping):
        named = list(metrics.items())
    else:
        named = [(_metric_name(choice), choice) for choice in metrics]
    names = [name for name, _ in named]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"Two metrics are named {name!r}. Name them: metrics={{'first': ..., "
                "'second': ...}."
            )
    return [
        choice
        if isinstance(choice, AttachedMetric)
        else AttachedMetric(name, build_component("metric", choice))
        for name, choice in named
    ]


def _metric_name(choice: object) -> str:
    if isinstance(choice, AttachedMetric):
        return choice.name
    if isinstance(choice, (str, Mapping)):
        name, arguments = split_choice("metric", choice)
        name = name.rpartition("/")[2].replace("-", "_")
        return f"{name}@{arguments['k']}" if "k" in arguments else name
    return type(choice).__name__
