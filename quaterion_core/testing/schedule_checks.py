"""Conformance checks for schedules."""

from __future__ import annotations

import math
import pickle
from typing import Final

from quaterion_core.testing.checks import CheckError, Checks
from quaterion_core.testing.subject import Subject
from quaterion_core.train.schedules import Decay, Schedule

_STEPS: Final = 100


class ScheduleSubject(Subject[Schedule]):
    """A schedule under test, without a warm-up."""

    def factors(self) -> list[float]:
        """Return the factor of the learning rate in each step."""
        schedule = self.fresh()
        return [schedule.factor(step, _STEPS) for step in range(_STEPS + 1)]


SCHEDULE_CHECKS: Final[Checks[ScheduleSubject]] = Checks("schedule")


@SCHEDULE_CHECKS.add
def construction(subject: ScheduleSubject) -> None:
    """The schedule cannot be built from the arguments given, or cannot be copied.

    Pass the arguments that its constructor requires: `Example(arguments={...})` under the
    schedule's name in `examples`; or fix the constructor.
    """
    subject.built()


@SCHEDULE_CHECKS.add
def interface(subject: ScheduleSubject) -> None:
    """The class is not derived from `Decay`.

    Derive from `quaterion_core.train.Decay` and implement `factor`.
    """
    decay = subject.fresh().decay
    if not isinstance(decay, Decay):
        raise CheckError(f"expected a Decay, got {type(decay).__name__}")


@SCHEDULE_CHECKS.add
def factors(subject: ScheduleSubject) -> None:
    """A factor is not a finite number of at least 0, or all factors are 0.

    Return a factor of the learning rate for every progress from 0 to 1, both included.
    """
    values = subject.factors()
    for step, value in enumerate(values):
        if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
            raise CheckError(
                f"expected a number of at least 0 for the progress {step / _STEPS}, got {value!r}"
            )
    if not any(values):
        raise CheckError("expected a learning rate above 0 in some step, got 0 in all steps")


@SCHEDULE_CHECKS.add
def resumption(subject: ScheduleSubject) -> None:
    """A factor depends on earlier calls, so that runs cannot be resumed exactly.

    Compute the factor from `progress` and the arguments alone.
    """
    schedule = subject.fresh()
    steps = [*range(_STEPS + 1), *range(_STEPS, -1, -1)]
    values = [schedule.factor(step, _STEPS) for step in steps]
    if values != [*subject.factors(), *reversed(subject.factors())]:
        raise CheckError("expected the same factor whenever a step is asked for, got another")


@SCHEDULE_CHECKS.add
def is_picklable(subject: ScheduleSubject) -> None:
    """The schedule cannot be pickled, which training in several processes requires.

    Keep plain values in attributes, and no lambdas.
    """
    schedule = subject.fresh()
    expected = schedule.factor(1, 2)
    if pickle.loads(pickle.dumps(schedule)).factor(1, 2) != expected:
        raise CheckError("expected the same factor of the pickled schedule, got another")
