"""Definition and execution of checks."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

from quaterion_core.plugins.loading import describe
from quaterion_core.plugins.nearest import unknown_name
from quaterion_core.testing.report import CheckResult, Report, Status

SubjectT = TypeVar("SubjectT")
CheckFunction = Callable[[SubjectT], None]


class CheckError(Exception):
    """Failure of a check; the message states what was expected and what was found."""


class NotApplicableError(Exception):
    """Raised where a check does not apply to a component; the message states why."""


@dataclass(frozen=True, slots=True)
class Check(Generic[SubjectT]):
    """A single check of a component.

    Attributes:
        name: Name of the check.
        catches: The fault that the check detects, in one sentence.
        way_out: How to fix the fault.
        function: Function that raises :class:`CheckError` or :class:`NotApplicableError`. Any other
            exception counts as a failure of the component.
    """

    name: str
    catches: str
    way_out: str
    function: CheckFunction[SubjectT]


class Checks(Mapping[str, Check[SubjectT]]):
    """Checks for one kind of component, by name, in the order in which they run.

    A check is a function. The first paragraph of its docstring describes the fault that it detects,
    the second one how to fix it.

    Args:
        kind: Kind of component, such as ``encoder`` or ``loss``.
    """

    def __init__(self, kind: str):
        self.kind = kind
        self._checks: dict[str, Check[SubjectT]] = {}

    def add(self, function: CheckFunction[SubjectT]) -> CheckFunction[SubjectT]:
        """Register a function as a check. Used as a decorator."""
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
            subject: The component under test, passed to each check.
            component: Name of the component.
            expected_failures: Reasons for expected failures, keyed by the name of the check.

        Raises:
            ValueError: If ``expected_failures`` names an unknown check.
        """
        reasons = expected_failures or {}
        self.refuse_unknown(reasons)
        return Report(
            component,
            tuple(run_check(c, subject, component, reasons.get(c.name)) for c in self.values()),
        )

    def refuse_unknown(self, names: Mapping[str, str]) -> None:
        """Raise a ``ValueError`` if a name is not the name of a check."""
        for name in names:
            if name not in self:
                statement = f"Expected names of {self.kind} checks in expected_failures, got"
                raise ValueError(unknown_name(statement, name, self, known_as="The checks are"))


def run_check(
    check: Check[SubjectT], subject: SubjectT, component: str, reason: str | None = None
) -> CheckResult:
    """Run one check with a fixed random seed.

    Args:
        check: The check.
        subject: The component under test.
        component: Name of the component.
        reason: Reason why the check is expected to fail; ``None`` if it is expected to pass.
    """
    with torch.random.fork_rng(devices=[]):
        # A seed per check, so that independently built components do not share their weights.
        torch.manual_seed(zlib.crc32(check.name.encode()))
        try:
            check.function(subject)
        except NotApplicableError as error:
            result = CheckResult(check.name, component, Status.NOT_APPLICABLE, str(error))
        except CheckError as error:
            result = CheckResult(check.name, component, Status.FAILED, str(error), check.way_out)
        except (Exception, SystemExit) as error:
            message = f"raised {describe(error)}"
            result = CheckResult(
                check.name, component, Status.FAILED, message, check.way_out, error
            )
        else:
            result = CheckResult(check.name, component, Status.PASSED)
    return result if reason is None else _as_expected(result, reason)


def _as_expected(result: CheckResult, reason: str) -> CheckResult:
    """Convert the result of a check that is expected to fail: any other status is a failure."""
    if result.status is Status.FAILED:
        message = f"{reason} ({result.message})"
        return CheckResult(result.check, result.component, Status.EXPECTED_FAILURE, message)
    return CheckResult(
        result.check,
        result.component,
        Status.FAILED,
        f"expected a failure ({reason}), got {result.status.value}",
        "Remove it from expected_failures.",
    )
