"""What a check is, and how checks are run."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Generic, TypeVar

import torch

from quaterion_core.plugins.loading import describe
from quaterion_core.testing.report import CheckResult, Report, Status

SubjectT = TypeVar("SubjectT")
CheckFunction = Callable[[SubjectT], None]


class CheckError(Exception):
    """A component is not as it should be; the message says what was seen and what was expected."""


class NotApplicableError(Exception):
    """There is nothing to check; the message says why."""


@dataclass(frozen=True, slots=True)
class Check(Generic[SubjectT]):
    """One thing that is checked of a component.

    Attributes:
        name: What the check is called.
        catches: The fault that it catches, in one sentence.
        way_out: What to do about it.
        function: Raises :class:`CheckError` or :class:`NotApplicableError`. Anything else that it
            raises counts as a failure of the component.
    """

    name: str
    catches: str
    way_out: str
    function: CheckFunction[SubjectT]


class Checks(Mapping[str, Check[SubjectT]]):
    """The checks of one kind of component by name, in the order in which they run.

    A check is a function. The first paragraph of its docstring says what it catches, the second
    what to do about it.

    Args:
        kind: What is checked: ``encoder``, ``loss`` and so on.
    """

    def __init__(self, kind: str):
        self.kind = kind
        self._checks: dict[str, Check[SubjectT]] = {}

    def add(self, function: CheckFunction[SubjectT]) -> CheckFunction[SubjectT]:
        """Add a function as a check; a decorator."""
        catches, way_out, *_ = (function.__doc__ or "").split("\n\n")
        name = function.__name__
        self._checks[name] = Check(name, catches, " ".join(way_out.split()), function)
        return function

    def __getitem__(self, name: str) -> Check[SubjectT]:
        return self._checks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._checks)

    def __len__(self) -> int:
        return len(self._checks)

    def run(
        self, subject: SubjectT, component: str, expected_failures: Mapping[str, str] | None = None
    ) -> Report:
        """Run all checks of a component.

        Args:
            subject: What the checks are given.
            component: The name of the component.
            expected_failures: Why a check fails, by the name of the check.

        Raises:
            ValueError: There is no check of such a name.
        """
        reasons = expected_failures or {}
        self.refuse_unknown(reasons)
        return Report(
            component,
            tuple(run_check(c, subject, component, reasons.get(c.name)) for c in self.values()),
        )

    def refuse_unknown(self, names: Mapping[str, str]) -> None:
        """Raise a ``ValueError`` for an expected failure of a check that there is not."""
        for name in names:
            if name not in self:
                near = get_close_matches(name, self, n=1)
                hint = f"Did you mean {near[0]!r}? " if near else ""
                raise ValueError(
                    f"expected_failures names {name!r}, which is no check of a {self.kind}. {hint}"
                    f"The checks are: {', '.join(self)}."
                )


def run_check(
    check: Check[SubjectT], subject: SubjectT, component: str, reason: str | None = None
) -> CheckResult:
    """Run one check, with random numbers that are the same each time.

    Args:
        check: The check.
        subject: What it is given.
        component: The name of the component.
        reason: Why it is expected to fail, if it is.
    """
    with torch.random.fork_rng(devices=[]):
        # Not one seed for all: what one check builds could be what another one builds at random.
        torch.manual_seed(zlib.crc32(check.name.encode()))
        try:
            check.function(subject)
        except NotApplicableError as error:
            result = CheckResult(check.name, component, Status.NOT_APPLICABLE, str(error))
        except CheckError as error:
            result = CheckResult(check.name, component, Status.FAILED, str(error), check.way_out)
        except (Exception, SystemExit) as error:
            told = f"it raised {describe(error)}"
            result = CheckResult(check.name, component, Status.FAILED, told, check.way_out, error)
        else:
            result = CheckResult(check.name, component, Status.PASSED)
    return result if reason is None else _as_expected(result, reason)


def _as_expected(result: CheckResult, reason: str) -> CheckResult:
    """Judge the result of a check that is expected to fail: anything else is a failure."""
    if result.status is Status.FAILED:
        told = f"{reason} ({result.message})"
        return CheckResult(result.check, result.component, Status.EXPECTED_FAILURE, told)
    return CheckResult(
        result.check,
        result.component,
        Status.FAILED,
        f"it is expected to fail, because {reason!r}, but is {result.status.value}",
        "Take it out of expected_failures, or correct the reason.",
    )
