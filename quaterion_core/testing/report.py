"""What came of checking a component: one result for each check, and a table of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum


class Status(str, Enum):
    """What came of one check."""

    PASSED = "passed"
    FAILED = "failed"
    EXPECTED_FAILURE = "expected failure"
    """It failed, and the author said beforehand that it would, and why."""
    NOT_APPLICABLE = "not applicable"
    """There is nothing to check in this component, or not on this machine."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What came of one check of one component.

    Attributes:
        check: The name of the check.
        component: The name of the component.
        status: What came of it.
        message: What was seen and what was expected, or why the check does not apply; empty if
            it passed.
        way_out: What to do about a failure; otherwise empty.
        cause: The exception that the component raised, if one did.
    """

    check: str
    component: str
    status: Status
    message: str = ""
    way_out: str = ""
    cause: BaseException | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        told = f"{self.check}: {self.status.value}"
        told += f": {self.message}" if self.message else ""
        return f"{told}\n    {self.way_out}" if self.way_out else told


class ConformanceError(AssertionError):
    """A component fails checks that its author does not expect it to fail."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all checks of one component.

    Attributes:
        component: The name of the component.
        results: One result for each check, in the order in which they ran.

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
        """How many checks had each status."""
        return Counter(result.status for result in self.results)

    @property
    def ran(self) -> int:
        """How many checks ran: all but those that do not apply."""
        return len(self.results) - self.counts[Status.NOT_APPLICABLE]

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """The results of the checks that failed and were not expected to."""
        return tuple(result for result in self.results if result.status is Status.FAILED)

    def __getitem__(self, check: str) -> CheckResult:
        """Return the result of a check by its name."""
        return next(result for result in self.results if result.check == check)

    def raise_for_failures(self) -> None:
        """Raise if anything is wrong.

        Raises:
            ConformanceError: A check failed that was not expected to, or no check ran at all.
        """
        if not self.ran:
            raise ConformanceError(f"No check of {self.component} ran, so nothing is known of it.")
        if self.failures:
            told = "\n".join(f"  {failure}" for failure in self.failures)
            cause = next((f.cause for f in self.failures if f.cause is not None), None)
            raise ConformanceError(
                f"{self.component} fails {len(self.failures)} of {self.ran} checks:\n{told}"
            ) from cause

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {status.value}" for status, count in self.counts.items())
        width = max((len(result.check) for result in self.results), default=0)
        lines = [f"{self.component}: {self.ran} check{'s' * (self.ran != 1)} ran, {counts}"]
        for result in self.results:
            told = f": {result.message}" if result.message else ""
            lines.append(f"  {result.check:{width}}  {result.status.value}{told}")
            lines += [f"  {'':{width}}  {result.way_out}"] if result.way_out else []
        return "\n".join(lines)
