"""Checks of the components of a recipe before a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.utils.data import DataLoader

from quaterion_core.components import (
    Fault,
    argument_faults,
    build_component,
    callable_arguments,
    component_faults,
)
from quaterion_core.dataset.batch_samplers import BatchSampler, build_batch_sampler
from quaterion_core.dataset.batch_samplers.choices import batch_sampler_faults
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.metric_choices import attached_metrics
from quaterion_core.eval.monitored import unknown_monitor, wrong_mode
from quaterion_core.recipe.faults import Faults, Place, message_of
from quaterion_core.recipe.settings import (
    DEFAULT_OPTIMIZER,
    NOT_OF_A_LOADER,
    PROVIDED,
    component_choices,
)
from quaterion_core.train.optimizers import (
    OptimizerChoice,
    choose_optimizer,
    optimizer_faults,
    unknown_part,
)
from quaterion_core.train.schedules import Schedule, build_schedule, schedule_faults

_STAND_IN_SIZES: Final = (512, 768)


@dataclass(frozen=True)
class ComponentCheck:
    """Result of the check of a recipe's components: faults, and the components built to find them.

    Attributes:
        faults: All faults. Components with faults are not built.
        metrics: The metrics.
        optimizer: The optimizer.
        schedule: The schedule of the learning rate, if there is one.
        batch_sampler: The batch sampler, if there is one.
    """

    faults: list[Fault]
    metrics: list[AttachedMetric]
    optimizer: OptimizerChoice | None
    schedule: Schedule | None
    batch_sampler: BatchSampler | None


def check_components(content: Mapping[str, Any], known: Iterable[Fault] = ()) -> ComponentCheck:
    """Find all faults in the components of a recipe and in their arguments.

    Components that are cheap to build are built, so that ranges and combinations of values are
    checked, too. Nothing is read or loaded.

    Args:
        content: The recipe as it was read.
        known: Known faults of keys and values; these keys are left out.
    """
    faults = Faults()
    wrong = {fault.place[0] for fault in known if len(fault.place) == 1}
    content = {key: value for key, value in content.items() if key not in wrong}
    for place, kind, choice in component_choices(content):
        found = list(component_faults(kind, choice, place, provided=PROVIDED))
        faults.add(found)
        if kind in ("head", "loss") and not found:
            faults.add(_trial_faults(place, kind, choice))
    metrics: list[AttachedMetric] = []
    if "metrics" not in faults.keys | wrong:
        with faults.at("metrics"):
            metrics = attached_metrics(content.get("metrics", []))
        if "metrics" not in faults.keys:
            for place, monitor in monitors(content):
                faults.add(_monitor_faults(place, monitor, metrics))
            faults.add(_mode_faults(content.get("early_stopping"), metrics))
    optimizer, schedule, sampler = None, None, None
    choice = content.get("optimizer", DEFAULT_OPTIMIZER)
    found = [*optimizer_faults(choice, ("optimizer",)), *_part_faults(choice, content)]
    faults.add(found)
    if not found:
        optimizer = choose_optimizer(choice)
    if (choice := content.get("schedule")) is not None:
        found = list(schedule_faults(choice, ("schedule",)))
        faults.add(found)
        schedule = None if found else build_schedule(choice)
    if (choice := content.get("batch_sampler")) is not None:
        found = list(batch_sampler_faults(choice, ("batch_sampler",)))
        faults.add(found)
        if not found:
            with faults.at("batch_sampler"):
                sampler = build_batch_sampler(choice)
                sampler.check_batch_size(content.get("batch_size", 32))
    if isinstance(content.get("loader"), Mapping):
        faults.add(loader_faults(content["loader"]))
    return ComponentCheck(faults.found, metrics, optimizer, schedule, sampler)


def loader_faults(arguments: Mapping[str, Any]) -> list[Fault]:
    """Find all faults in further arguments of the data loader."""
    faults = Faults()
    known = {
        name: argument
        for name, argument in callable_arguments(DataLoader).items()
        if name not in NOT_OF_A_LOADER
    }
    faults.add(argument_faults("The data loader", known, arguments, ("loader",)))
    if not faults.found:
        with faults.at("loader"):
            DataLoader[int]([0], **arguments)  # type: ignore[arg-type]  # a dataset of one
    return faults.found


def monitors(content: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Yield the monitored values of a recipe, each with its place."""
    section = content.get("early_stopping")
    monitor = section.get("monitor") if isinstance(section, Mapping) else None
    if isinstance(monitor, str):
        yield ("early_stopping", "monitor"), monitor
    if isinstance(content.get("keep_best"), str):
        yield ("keep_best",), content["keep_best"]


def _monitor_faults(
    place: Place, monitor: str, metrics: Iterable[AttachedMetric]
) -> Iterator[Fault]:
    if message := unknown_monitor(monitor, metrics):
        yield Fault(place, message, ValueError)


def _mode_faults(early_stopping: object, metrics: Iterable[AttachedMetric]) -> Iterator[Fault]:
    """Yield the mode of early stopping if it prefers the worse values."""
    if isinstance(early_stopping, Mapping) and isinstance(early_stopping.get("monitor"), str):
        monitor, mode = early_stopping["monitor"], early_stopping.get("mode")
        if unknown_monitor(monitor, metrics) is None and (
            message := wrong_mode(monitor, mode, metrics)
        ):
            yield Fault(("early_stopping", "mode"), message, ValueError)


def _part_faults(optimizer: object, content: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield parts of the optimizer that the model will not have."""
    parts = optimizer.get("parts") if isinstance(optimizer, Mapping) else None
    encoders = content.get("encoders")
    keys = [f"encoders.{key}" for key in encoders] if isinstance(encoders, Mapping) else []
    known = [*(keys or ["encoder"]), "head", "loss"]
    for part in parts if isinstance(parts, Mapping) else ():
        if part not in known:
            yield Fault(("optimizer", "parts", part), unknown_part(part, known), ValueError)


def _trial_faults(place: Place, kind: str, choice: Any) -> Iterator[Fault]:
    """Build a head or a loss on trial, and yield the errors of its constructor.

    Sizes that are not known yet are tried with two stand-ins. Only an error that occurs with both
    is not about the sizes.
    """
    messages = set()
    for size in _STAND_IN_SIZES:
        try:
            with torch.random.fork_rng(devices=[]):
                build_component(kind, choice, provided=dict.fromkeys(PROVIDED, lambda: size))  # noqa: B023
        except Exception as error:  # a component's constructor may raise anything
            messages.add(message_of(error))
        else:
            return
    if len(messages) == 1:
        yield Fault(place, messages.pop(), ValueError)
