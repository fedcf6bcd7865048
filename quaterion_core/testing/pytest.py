"""The checks as tests of pytest: one for each check of each component, and a summary.

Only this module needs pytest. It is a plugin of pytest as well::

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
    """Make a test function of all checks of a distribution.

    Args:
        distribution: The name of the installed package, such as ``"acme-similarity"``.
        examples: By the short name of a component, what it is tested with: an
            :class:`~quaterion_core.testing.Example` or several.
        expected_failures: By the short name of a component, or the name of the distribution, the
            checks that it cannot pass, each with the reason. One that passes fails the test.

    Returns:
        A test function for pytest, which collects one test for each check of each component.

    Raises:
        ValueError: A name in ``examples`` or ``expected_failures`` means nothing.

    Example:
        >>> test_conformance = conformance_tests("quaterion-core", examples={})
    """
    from quaterion_core.testing.conformance import conformance_cases

    cases = conformance_cases(distribution, examples, expected_failures)

    @pytest.mark.parametrize("case", cases, ids=str)
    def test_conformance(case: Case, record_property: Callable[[str, object], None]) -> None:
        __tracebackhide__ = True
        result = case.run()
        told = [distribution, result.component, result.check, result.status.value, result.message]
        record_property(_PROPERTY, json.dumps(told))
        _report(result)

    return test_conformance


def _report(result: CheckResult) -> None:
    """Tell pytest what came of a check."""
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
    """Tell how many checks ran, and why some were not applicable or expected to fail."""
    told = [
        json.loads(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == _PROPERTY
    ]
    for distribution in sorted({result[0] for result in told}):
        results = [result[1:] for result in told if result[0] == distribution]
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
