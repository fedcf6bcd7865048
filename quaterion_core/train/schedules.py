"""How the learning rate goes over a training, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch.optim.lr_scheduler import LambdaLR

from quaterion_core.components import split_choice

SCHEDULES: Final[Mapping[str, Callable[[float], float]]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: (1.0 + math.cos(math.pi * progress)) / 2,
}
"""Factor of the learning rate, given the part of the steps after the warm-up that is done."""


@dataclass(frozen=True)
class Schedule:
    """A learning rate that rises to its value in a warm-up, and then goes as its name says.

    Args:
        name: ``constant``, ``linear`` (down to 0) or ``cosine`` (half a wave, down to 0).
        warm_up: Part of all steps in which the learning rate rises from 0, linearly.

    Raises:
        ValueError: There is no schedule of this name, or ``warm_up`` is not between 0 and 1.

    Example:
        >>> schedule = Schedule("linear", warm_up=0.5)
        >>> [schedule.factor(step, 8) for step in (0, 2, 4, 6, 8)]
        [0.25, 0.75, 1.0, 0.5, 0.0]
    """

    name: str
    warm_up: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in SCHEDULES:
            raise ValueError(
                f"There is no schedule {self.name!r} of the learning rate. Choose one of: "
                f"{', '.join(SCHEDULES)}."
            )
        if not 0 <= self.warm_up < 1:
            raise ValueError(
                f"warm_up is the part of all steps in which the learning rate rises, at least 0 "
                f"and below 1, but is {self.warm_up}."
            )

    def factor(self, step: int, steps: int) -> float:
        """Return the factor of the learning rate in a step, counted from 0, of so many."""
        rising = round(self.warm_up * steps)
        if step < rising:
            return (step + 1) / rising
        return SCHEDULES[self.name](min(1.0, (step - rising) / max(1, steps - rising)))

    def scheduler(self, optimizer: torch.optim.Optimizer, steps: float) -> LambdaLR:
        """Make the scheduler of an optimizer for a training of so many steps.

        Raises:
            ValueError: The training has no end.
        """
        if not math.isfinite(steps):
            raise ValueError(
                f"The schedule {self.name!r} has to know how long the training is. Give the "
                "trainer max_epochs or max_steps."
            )
        return LambdaLR(optimizer, lambda step: self.factor(step, int(steps)))


def build_schedule(choice: object) -> Schedule | None:
    """Make a schedule from a name, or from a mapping of ``name`` and ``warm_up``.

    Raises:
        ValueError: There is no such schedule.
        TypeError: It is neither a name nor a mapping, or has other arguments.
    """
    if choice is None:
        return None
    name, arguments = split_choice("schedule", choice)
    unknown = set(arguments) - {"warm_up"}
    if unknown:
        raise TypeError(f"A schedule takes warm_up, but got {', '.join(sorted(unknown))}.")
    return Schedule(name, **arguments)
