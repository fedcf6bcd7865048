"""Learning rate schedules, by name."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import torch
from annotated_types import Ge, Lt
from torch.optim.lr_scheduler import LambdaLR

from quaterion_core.components import (
    Argument,
    Fault,
    argument_faults,
    callable_arguments,
    named_class,
    raise_faults,
    split_choice,
)
from quaterion_core.plugins import PluginError


class Decay(ABC):
    """Base class of the decay after the warm-up; a plugin declares it as a schedule.

    Its constructor takes the arguments of the schedule; ``warm_up`` is not among them, since every
    schedule has it.

    Example:
        >>> class StepDecay(Decay):
        ...     def __init__(self, steps: int = 2):
        ...         self.steps = steps
        ...
        ...     def factor(self, progress: float) -> float:
        ...         return 0.1 ** math.floor(progress * self.steps)
        >>> [StepDecay().factor(progress) for progress in (0.0, 0.4)]
        [1.0, 1.0]
    """

    @abstractmethod
    def factor(self, progress: float) -> float:
        """Return the factor of the learning rate, at least 0.

        Args:
            progress: Fraction of the steps after the warm-up that is done, in [0, 1].
        """


class ConstantDecay(Decay):
    """A constant learning rate."""

    def factor(self, progress: float) -> float:
        """Return 1."""
        return 1.0


class LinearDecay(Decay):
    """A learning rate that falls linearly to 0."""

    def factor(self, progress: float) -> float:
        """Return 1 - progress."""
        return 1.0 - progress


class CosineDecay(Decay):
    """A learning rate that falls to 0 along half a period of the cosine.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017,
    equation 5, without restarts.
    """

    def factor(self, progress: float) -> float:
        """Return (1 + cos(pi * progress)) / 2."""
        return (1.0 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class Schedule:
    """A learning rate schedule: a linear warm-up, then a decay.

    Args:
        name: Name of a registered schedule: ``constant``, ``linear`` (down to 0), ``cosine`` (half
            a period, down to 0), or a plugin's.
        warm_up: Fraction of all steps in which the learning rate rises linearly from 0, in
            [0, 1).
        arguments: Further arguments of a plugin's schedule.

    Raises:
        TypeError: The schedule does not take these arguments, or a value is of the wrong type.
        ValueError: There is no schedule of this name, or a value is out of range.

    Example:
        >>> schedule = Schedule("linear", warm_up=0.5)
        >>> [schedule.factor(step, 8) for step in (0, 2, 4, 6, 8)]
        [0.25, 0.75, 1.0, 0.5, 0.0]
    """

    name: str
    warm_up: Annotated[float, Ge(0), Lt(1)] = 0.0
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        choice = {**self.arguments, "name": self.name, "warm_up": self.warm_up}
        raise_faults(f"The schedule {self.name!r}", schedule_faults(choice))

    @cached_property
    def decay(self) -> Decay:
        """The decay after the warm-up."""
        decay: Decay = named_class("schedule", self.name)(**self.arguments)
        return decay

    def factor(self, step: int, steps: int) -> float:
        """Return the factor of the learning rate in step ``step``, counted from 0, of ``steps``."""
        rising = round(self.warm_up * steps)
        if step < rising:
            return (step + 1) / rising
        return self.decay.factor(min(1.0, (step - rising) / max(1, steps - rising)))

    def scheduler(self, optimizer: torch.optim.Optimizer, steps: float) -> LambdaLR:
        """Return the scheduler of an optimizer for a training run of ``steps`` steps.

        Raises:
            ValueError: The number of steps is not known.
        """
        if not math.isfinite(steps):
            raise ValueError(
                f"The schedule {self.name!r} needs to know the number of training steps. Give the "
                "trainer max_epochs or max_steps."
            )
        return LambdaLR(optimizer, lambda step: self.factor(step, int(steps)))


def build_schedule(choice: object) -> Schedule | None:
    """Build a schedule from a name, or from a mapping of ``name``, ``warm_up`` and arguments.

    ``None`` and a :class:`Schedule` are returned as they are.

    Raises:
        ValueError: There is no such schedule, or a value is out of range.
        TypeError: The choice is neither a name nor a mapping, or has other arguments.
    """
    if choice is None or isinstance(choice, Schedule):
        return choice
    name, arguments = split_choice("schedule", choice)
    raise_faults(f"The schedule {name!r}", schedule_faults(choice))
    return Schedule(name, arguments.pop("warm_up", 0.0), arguments)


def schedule_faults(choice: object, place: tuple[str | int, ...] = ()) -> Iterator[Fault]:
    """Yield all faults of a choice of a schedule.

    Example:
        >>> print(*schedule_faults({"name": "cosine", "warmup": 0.1}))
        warmup: The schedule 'cosine' has no argument 'warmup': did you mean 'warm_up'? It takes:
        warm_up.
    """
    try:
        name, arguments = split_choice("schedule", choice)
    except TypeError as error:
        yield Fault(place, str(error))
        return
    try:
        decay = named_class("schedule", name)
        known = schedule_arguments(name)
    except (PluginError, ValueError) as error:
        yield Fault(place, str(error), ValueError)
        return
    faults = list(argument_faults(f"The schedule {name!r}", known, arguments, place))
    if not faults:
        try:
            decay(**{key: value for key, value in arguments.items() if key != "warm_up"})
        except Exception as error:  # the constructor of a plugin's schedule may raise anything
            faults = [Fault(place, str(error), ValueError)]
    yield from faults


def schedule_arguments(name: str) -> dict[str, Argument]:
    """Return the arguments of a schedule: ``warm_up``, and those of its decay."""
    warm_up = callable_arguments(Schedule)["warm_up"]
    return {"warm_up": warm_up, **callable_arguments(named_class("schedule", name))}
