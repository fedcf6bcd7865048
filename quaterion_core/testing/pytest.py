"""Conformance checks as pytest tests: one per check and component, with a summary.

Only this module needs pytest. It is also a pytest plugin, which prints the summary::

    pytest_plugins = ["quaterion_core.testing.pytest"]  # in conftest.py
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pytest

from quaterion_core.testing.report import CheckResult, ConformanceError, Status

if TYPE_CHECKING:
    from quaterion_core.testing.conformance import Case, Examples, ExpectedFailures

_PROPERTY: Final = "quaterion_conformance"


def conformance_tests(
    distribution: str,
    *,
    examples: Examples | None = None,
    expected_failures: ExpectedFailures | None = None,
) -> Callable[..., None]:
    """Create a test function that runs all checks of a distribution.

    Args:
        distribution: The name of the installed package, such as ``"acme-similarity"``.
        examples: What each component is tested with, keyed by its short name: one
            :class:`~quaterion_core.testing.Example` or several.
        expected_failures: Checks that are expected to fail, as ``{component: {check: reason}}``,
            where the component is a short name or the name of the distribution. A check that is
            listed here but passes fails the test.

    Returns:
        A parametrized pytest function with one test per check and component.

    Raises:
        ValueError: If ``examples`` or ``expected_failures`` contains an unknown name.

    Example:
        >>> test_conformance = conformance_tests("quaterion-core", examples={})
    """
    from quaterion_core.testing.conformance import conformance_cases

    cases = conformance_cases(distribution, examples, expected_failures)

    @pytest.mark.parametrize("case", cases, ids=str)
    def test_conformance(case: Case, record_property: Callable[[str, object], None]) -> None:
        __tracebackhide__ = True
        result = case.run()
        row = [distribution, result.component, result.check, result.status.value, result.message]
        record_property(_PROPERTY, json.dumps(row))
        _report(result)

    return test_conformance


def _report(result: CheckResult) -> None:
    """Translate the result of a check into a pytest outcome."""
    __tracebackhide__ = True
    if result.status is Status.NOT_APPLICABLE:
        pytest.skip(f"not applicable: {result.message}")
    if result.status is Status.EXPECTED_FAILURE:
        pytest.xfail(result.message)
    if result.status is Status.FAILED:
        message = f"{result.component}: {result.check}: {result.message}\n{result.way_out}"
        if result.cause is None:
            pytest.fail(message, pytrace=False)
        raise ConformanceError(message) from result.cause


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many checks ran, and why some were skipped or expected to fail."""
    rows = [
        json.loads(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == _PROPERTY
    ]
    for distribution in sorted({row[0] for row in rows}):
        results = [row[1:] for row in rows if row[0] == distribution]
        _summarise(terminalreporter, distribution, results)


def _summarise(terminalreporter: Any, distribution: str, results: list[list[str]]) -> None:
    counts = Counter(status for _, _, status, _ in results)
    ran = len(results) - counts[Status.NOT_APPLICABLE]
    terminalreporter.section(f"conformance of {distribution}")
    listed = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
    terminalreporter.line(f"{ran} check{'s' * (ran != 1)} ran: {listed}")
    for component, check, status, message in sorted(results):
        if status == Status.EXPECTED_FAILURE:
            terminalreporter.line(f"expected failure: {component}: {check}: {message}")
    reasons = Counter(
        message for _, _, status, message in results if status == Status.NOT_APPLICABLE
    )
    for message, count in sorted(reasons.items()):
        terminalreporter.line(f"not applicable, {count} of {len(results)}: {message}")
