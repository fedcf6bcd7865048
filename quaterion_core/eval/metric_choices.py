"""Metrics chosen by name, each under the name that it is reported as."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from quaterion_core.components import build_component, split_choice
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.base_metric import BaseMetric
from quaterion_core.plugins import registry
from quaterion_core.utils.given import expected


def attached_metrics(metrics: Sequence[Any] | Mapping[str, Any]) -> list[AttachedMetric]:
    """Build metrics from choices, each under its own name or the one that a mapping gives it.

    The name of a metric shows everything that changes its value: ``k`` after ``@``, and every
    other argument that differs from its default, such as ``tar_at_far_far_0.01`` and
    ``retrieval_precision@5_euclidean``.

    Raises:
        ValueError: Two of them have the same name.

    Example:
        >>> chosen = attached_metrics([{"name": "knn-accuracy", "k": 5, "temperature": 0.1}])
        >>> [metric.name for metric in chosen]
        ['knn_accuracy@5_temperature_0.1']
    """
    if isinstance(metrics, (str, BaseMetric, AttachedMetric, type)):
        advice = f"Write [{metrics!r}]." if isinstance(metrics, str) else "Pass a list of it."
        raise expected("metrics", "a list, or a mapping from names to metrics", metrics, advice)
    if isinstance(metrics, Mapping):
        named = list(metrics.items())
    else:
        named = [(_metric_name(choice), choice) for choice in metrics]
    _check_names(named)
    return [
        choice
        if isinstance(choice, AttachedMetric)
        else AttachedMetric(name, build_component("metric", choice))
        for name, choice in named
    ]


def _check_names(named: Sequence[tuple[str, Any]]) -> None:
    """Refuse two metrics of one name."""
    choices: dict[str, Any] = {}
    for name, choice in named:
        if name in choices:
            raise ValueError(
                f"Two metrics are named {name!r}: {_shown(choices[name])} and {_shown(choice)}. "
                "Leave one out, or name them: metrics={'first': ..., 'second': ...}."
            )
        choices[name] = choice


def _shown(choice: object) -> str:
    if isinstance(choice, AttachedMetric):
        return f"the attached {_shown(choice.metric)}"
    if isinstance(choice, BaseMetric):
        arguments = (f"{name}={value!r}" for name, value in _changed(choice).items())
        return f"{type(choice).__name__}({', '.join(arguments)})"
    return repr(choice)


def _metric_name(choice: object) -> str:
    if isinstance(choice, AttachedMetric):
        return choice.name
    if isinstance(choice, (str, Mapping)):
        name, arguments = split_choice("metric", choice)
        defaults = _defaults(registry.load("metric", name))
        changed = {k: v for k, v in arguments.items() if k == "k" or v != defaults.get(k)}
        return _with_arguments(name.rpartition("/")[2].replace("-", "_"), changed)
    if isinstance(choice, BaseMetric):
        return _with_arguments(type(choice).__name__, _changed(choice))
    return type(choice).__name__


def _with_arguments(name: str, arguments: Mapping[str, Any]) -> str:
    """Append arguments to the name of a metric."""
    parts = [f"{name}@{arguments['k']}" if "k" in arguments else name]
    for argument, value in arguments.items():
        if argument == "distance_metric_name":
            parts.append(str(getattr(value, "value", value)))
        elif argument not in ("k", "reduce_func"):
            parts.append(f"{argument}_{value}")
    return "_".join(parts)


def _changed(metric: BaseMetric) -> dict[str, Any]:
    """Return the arguments of a metric that differ from their defaults."""
    defaults = _defaults(type(metric))
    return {
        name: getattr(metric, name)
        for name, default in defaults.items()
        if getattr(metric, name, default) != default
    }


def _defaults(cls: type[BaseMetric]) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(cls).parameters.items()}
