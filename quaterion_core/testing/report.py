"""Results of checking a component, one per check, and their report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum


class Status(str, Enum):
    """Outcome of one check."""

    PASSED = "passed"
    FAILED = "failed"
    EXPECTED_FAILURE = "expected failure"
    """The check failed, as listed in ``expected_failures``."""
    NOT_APPLICABLE = "not applicable"
    """The check does not apply to this component or on this machine."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Result of one check of one component.

    Attributes:
        check: Name of the check.
        component: Name of the component.
        status: Outcome of the check.
        message: What was expected and what was found, or why the check does not apply; empty if the
            check passed.
        way_out: How to fix a failure; otherwise empty.
        cause: The exception that the component raised, if any.
    """

    check: str
    component: str
    status: Status
    message: str = ""
    way_out: str = ""
    cause: BaseException | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        line = f"{self.check}: {self.status.value}"
        line += f": {self.message}" if self.message else ""
        return f"{line}\n    {self.way_out}" if self.way_out else line


class ConformanceError(AssertionError):
    """Raised when a component fails checks that are not listed as expected failures."""


@dataclass(frozen=True, slots=True)
class Report:
    """Results of all checks of one component.

    Attributes:
        component: Name of the component.
        results: One result per check, in the order in which they ran.

    Example:
        >>> report = Report("my-loss", (CheckResult("scalar", "my-loss", Status.PASSED),))
        >>> report.ran, report.counts[Status.PASSED]
        (1, 1)
        >>> print(report)
        my-loss: 1 check ran, 1 passed
          scalar  passed
    """

    component: str
    results: tuple[CheckResult, ...]

    @property
    def counts(self) -> Counter[Status]:
        """Number of checks by status."""
        return Counter(result.status for result in self.results)

    @property
    def ran(self) -> int:
        """Number of checks that ran, without those that do not apply."""
        return len(self.results) - self.counts[Status.NOT_APPLICABLE]

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """Results of the checks that failed unexpectedly."""
        return tuple(result for result in self.results if result.status is Status.FAILED)

    def __getitem__(self, check: str) -> CheckResult:
        """Result of a check, by its name."""
        return next(result for result in self.results if result.check == check)

    def raise_for_failures(self) -> None:
        """Raise an error if a check failed.

        Raises:
            ConformanceError: If a check failed unexpectedly, or if no check ran at all.
        """
        if not self.ran:
            raise ConformanceError(
                f"No check of {self.component} ran, so the report proves nothing."
            )
        if self.failures:
            failed = "\n".join(f"  {failure}" for failure in self.failures)
            cause = next((f.cause for f in self.failures if f.cause is not None), None)
            raise ConformanceError(
                f"{self.component} fails {len(self.failures)} of {self.ran} checks:\n{failed}"
            ) from cause

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {status.value}" for status, count in self.counts.items())
        width = max((len(result.check) for result in self.results), default=0)
        lines = [f"{self.component}: {self.ran} check{'s' * (self.ran != 1)} ran, {counts}"]
        for result in self.results:
            message = f": {result.message}" if result.message else ""
            lines.append(f"  {result.check:{width}}  {result.status.value}{message}")
            lines += [f"  {'':{width}}  {result.way_out}"] if result.way_out else []
        return "\n".join(lines)
