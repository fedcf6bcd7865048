"""Tests of running checks: outcomes and expected failures."""

from __future__ import annotations

import pytest
import torch

from quaterion_core.testing import (
    CheckError,
    CheckResult,
    Checks,
    ConformanceError,
    NotApplicableError,
    Report,
    Status,
)

CHECKS = Checks[dict]("thing")


@CHECKS.add
def size(subject):
    """The size is wrong.

    Correct
    the size.
    """
    if subject["size"] != 3:
        raise CheckError(f"the size is {subject['size']}, expected 3")


@CHECKS.add
def colour(subject):
    """The colour is wrong.

    Correct the colour.
    """
    if "colour" not in subject:
        raise NotApplicableError("it has none")


def run(expected_failures=None, **subject):
    return CHECKS.run(subject, "my-thing", expected_failures)


def test_a_check_is_told_by_its_docstring():
    assert list(CHECKS) == ["size", "colour"]
    assert CHECKS["size"].catches == "The size is wrong."
    assert CHECKS["size"].way_out == "Correct the size."


def test_outcomes_are_told_apart():
    report = run(size=4)
    assert report.results == (
        CheckResult(
            "size", "my-thing", Status.FAILED, "the size is 4, expected 3", "Correct the size."
        ),
        CheckResult("colour", "my-thing", Status.NOT_APPLICABLE, "it has none"),
    )
    assert report.ran == 1
    assert str(report).splitlines() == [
        "my-thing: 1 check ran, 1 failed, 1 not applicable",
        "  size    failed: the size is 4, expected 3",
        "          Correct the size.",
        "  colour  not applicable: it has none",
    ]


@pytest.mark.parametrize("error", [KeyError("size"), SystemExit(3)])
def test_what_a_component_raises_is_its_failure(error):
    class Raising(dict):
        def __getitem__(self, key):
            raise error

    result = CHECKS.run(Raising(), "my-thing")["size"]
    assert result.status is Status.FAILED
    assert type(error).__name__ in result.message
    assert result.cause is error


def test_failures_are_raised_together_with_their_cause():
    with pytest.raises(ConformanceError) as caught:
        run(colour="red").raise_for_failures()
    assert str(caught.value) == (
        "my-thing fails 1 of 2 checks:\n"
        "  size: failed: raised KeyError: 'size'\n"
        "    Correct the size."
    )
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_report_without_failures_raises_nothing():
    run(size=3).raise_for_failures()


def test_a_report_of_no_check_that_ran_is_an_error():
    nothing = CheckResult("colour", "my-thing", Status.NOT_APPLICABLE, "it has none")
    for results in ((), (nothing,)):
        with pytest.raises(ConformanceError, match="No check of my-thing ran"):
            Report("my-thing", results).raise_for_failures()


def test_an_expected_failure_is_none_and_keeps_its_reason():
    report = run({"size": "four is what we need"}, size=4)
    result = report["size"]
    assert result.status is Status.EXPECTED_FAILURE
    assert result.message == "four is what we need (the size is 4, expected 3)"
    report.raise_for_failures()


@pytest.mark.parametrize(("check", "seen"), [("size", "passed"), ("colour", "not applicable")])
def test_an_expected_failure_that_does_not_fail_is_a_failure(check, seen):
    result = run({check: "it is known"}, size=3)[check]
    assert result.status is Status.FAILED
    assert result.message == f"expected a failure (it is known), got {seen}"


def test_an_expected_failure_of_no_check_is_refused():
    with pytest.raises(
        ValueError, match=r"thing checks in expected_failures, got 'sise': did you mean 'si"
    ):
        run({"sise": "it is known"}, size=3)


def test_checks_leave_the_random_numbers_of_others_alone():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    run(size=3)
    assert torch.equal(torch.rand(2), expected)
