"""Learning rate schedules, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Final

import torch
from annotated_types import Ge, Lt
from torch.optim.lr_scheduler import LambdaLR

from quaterion_core.components import (
    Fault,
    argument_faults,
    callable_arguments,
    raise_faults,
    split_choice,
)
from quaterion_core.plugins.nearest import unknown_name

SCHEDULES: Final[Mapping[str, Callable[[float], float]]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: (1.0 + math.cos(math.pi * progress)) / 2,
}
"""Factor of the learning rate, given the fraction of the steps after the warm-up that is done."""


@dataclass(frozen=True)
class Schedule:
    """A learning rate schedule: a linear warm-up, then a decay.

    Args:
        name: ``constant``, ``linear`` (down to 0) or ``cosine`` (half a period, down to 0).
        warm_up: Fraction of all steps in which the learning rate rises linearly from 0, in
            [0, 1).

    Raises:
        ValueError: There is no schedule of this name, or ``warm_up`` is not in [0, 1).

    Example:
        >>> schedule = Schedule("linear", warm_up=0.5)
        >>> [schedule.factor(step, 8) for step in (0, 2, 4, 6, 8)]
        [0.25, 0.75, 1.0, 0.5, 0.0]
    """

    name: str
    warm_up: Annotated[float, Ge(0), Lt(1)] = 0.0

    def __post_init__(self) -> None:
        faults = schedule_faults({"name": self.name, "warm_up": self.warm_up})
        raise_faults(f"The schedule {self.name!r}", faults)

    def factor(self, step: int, steps: int) -> float:
        """Return the factor of the learning rate in a step, counted from 0, out of ``steps``."""
        rising = round(self.warm_up * steps)
        if step < rising:
            return (step + 1) / rising
        return SCHEDULES[self.name](min(1.0, (step - rising) / max(1, steps - rising)))

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
    """Build a schedule from a name, or from a mapping of ``name`` and ``warm_up``.

    ``None`` and a :class:`Schedule` are returned as they are.

    Raises:
        ValueError: There is no such schedule, or ``warm_up`` is not in [0, 1).
        TypeError: The choice is neither a name nor a mapping, or has other arguments.
    """
    if choice is None or isinstance(choice, Schedule):
        return choice
    name, arguments = split_choice("schedule", choice)
    raise_faults(f"The schedule {name!r}", schedule_faults(choice))
    return Schedule(name, **arguments)


def schedule_faults(choice: object, place: tuple[str | int, ...] = ()) -> Iterator[Fault]:
    """Find all that is wrong with the choice of a schedule.

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
    if name not in SCHEDULES:
        message = unknown_name("There is no schedule", name, SCHEDULES, known_as="Choose one of")
        yield Fault(place, message, ValueError)
    known = callable_arguments(Schedule)
    del known["name"]
    yield from argument_faults(f"The schedule {name!r}", known, arguments, place)
