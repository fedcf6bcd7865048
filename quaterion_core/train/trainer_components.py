"""Callbacks and loggers of the trainer, by name."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from quaterion_core.components import (
    Argument,
    Fault,
    argument_faults,
    callable_arguments,
    named_class,
    raise_faults,
    split_choice,
    type_in_words,
)
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.monitored import monitored, unknown_monitor, wrong_mode
from quaterion_core.plugins import PluginError

RUN_NAME: Final = "run_name"
"""Argument of a choice that stands for a constructor's ``name``, which a choice uses itself."""

_MONITOR: Final = "validation_loss"
"""What a callback monitors that has to monitor something, by default."""


def build_callback(choice: object, metrics: Iterable[AttachedMetric] = ()) -> pl.Callback:
    """Build a callback of the trainer from a name, or from a mapping of a name and arguments.

    A callback may monitor a metric by its name in tables, such as ``recall@1``. ``mode`` is that of
    the monitored value by default, and a callback that has to monitor something monitors
    ``validation_loss`` by default. A callback that is already built is returned as it is.

    Args:
        choice: The choice.
        metrics: The attached metrics, which can be monitored.

    Raises:
        ValueError: There is no such callback, or a value is out of range.
        TypeError: The choice is neither a name nor a mapping, or has other arguments.

    Example:
        >>> callback = build_callback({"name": "early-stopping", "patience": 5})
        >>> callback.monitor, callback.mode, callback.patience
        ('validation_loss', 'min', 5)
    """
    if isinstance(choice, pl.Callback):
        return choice
    metrics = list(metrics)
    raise_faults("The callback", trainer_component_faults("callback", choice, metrics=metrics))
    name, arguments = split_choice("callback", choice)
    if monitor := monitor_of(choice):
        arguments["monitor"], mode = monitored(monitor, metrics)
        if "mode" in trainer_component_arguments("callback", name):
            arguments.setdefault("mode", mode)
    return _build("callback", name, arguments)  # type: ignore[no-any-return]


def build_logger(choice: object) -> Logger:
    """Build a logger of the trainer from a name, or from a mapping of a name and arguments.

    The logger's own argument ``name`` is given as ``run_name``. A logger that is already built is
    returned as it is.

    Raises:
        ValueError: There is no such logger, or a value is out of range.
        TypeError: The choice is neither a name nor a mapping, or has other arguments.
        MissingComponentError: The logger needs a package that is not installed.

    Example:
        >>> build_logger({"name": "csv", "save_dir": "logs", "run_name": "faq"}).log_dir
        'logs/faq/version_0'
    """
    if isinstance(choice, Logger):
        return choice
    raise_faults("The logger", trainer_component_faults("logger", choice))
    return _build("logger", *split_choice("logger", choice))  # type: ignore[no-any-return]


def trainer_component_arguments(kind: str, name: str) -> dict[str, Argument]:
    """Return the arguments of a callback or a logger, as a choice names them.

    Example:
        >>> list(trainer_component_arguments("logger", "csv"))[:2]
        ['save_dir', 'run_name']
    """
    known = callable_arguments(named_class(kind, name))
    if "name" not in known:
        return known
    renamed = {**known, "name": replace(known["name"], name=RUN_NAME)}
    return {argument.name: argument for argument in renamed.values()}


def trainer_component_faults(
    kind: str,
    choice: object,
    place: tuple[str | int, ...] = (),
    *,
    metrics: Iterable[AttachedMetric] = (),
    provided: Iterable[str] = (),
) -> Iterator[Fault]:
    """Yield all faults of a choice of a callback or a logger.

    Args:
        kind: ``callback`` or ``logger``.
        choice: The choice.
        place: The keys that lead to the choice.
        metrics: The attached metrics, which can be monitored.
        provided: Arguments that are filled in when the component is built.

    Example:
        >>> print(*trainer_component_faults("callback", "early-stoping"))
        There is no callback 'early-stoping': did you mean 'early-stopping'? Choose one of: ...
    """
    try:
        name, given = split_choice(kind, choice)
        cls = named_class(kind, name)
    except (PluginError, TypeError, ValueError) as error:
        yield Fault(place, str(error), TypeError if isinstance(error, TypeError) else ValueError)
        return
    known = trainer_component_arguments(kind, name)
    owner = f"The {kind} {name!r}"
    if _takes_others(cls):
        given = {key: value for key, value in given.items() if key in known}
    yield from argument_faults(owner, known, given, place)
    for key, argument in known.items():
        if argument.is_required and key not in {*given, *provided, "monitor"}:
            expected = type_in_words(argument.annotation)
            yield Fault(place, f"{owner} needs {key!r}: expected {expected}.")
    if isinstance(monitor := given.get("monitor"), str):
        metrics = list(metrics)
        if message := unknown_monitor(monitor, metrics):
            yield Fault((*place, "monitor"), message, ValueError)
        elif message := wrong_mode(monitor, given.get("mode"), metrics):
            yield Fault((*place, "mode"), message, ValueError)


def monitor_of(choice: object) -> str | None:
    """Return the value that a callback monitors as it is chosen, if it monitors one.

    Example:
        >>> monitor_of("early-stopping"), monitor_of("model-checkpoint"), monitor_of("timer")
        ('validation_loss', None, None)
    """
    name, given = split_choice("callback", choice)
    argument = trainer_component_arguments("callback", name).get("monitor")
    if argument is None:
        return None
    monitor: str | None = given.get("monitor", _MONITOR if argument.is_required else None)
    return monitor


def _build(kind: str, name: str, arguments: Mapping[str, Any]) -> Any:
    cls = named_class(kind, name)
    own = callable_arguments(cls)
    if "name" in own:
        arguments = {("name" if key == RUN_NAME else key): v for key, v in arguments.items()}
    return cls(**arguments)


def _takes_others(cls: type[Any]) -> bool:
    """Whether a constructor takes any keyword arguments."""
    parameters = inspect.signature(cls).parameters.values()
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
