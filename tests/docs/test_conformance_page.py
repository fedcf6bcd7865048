"""Tests that the page on the conformance checks lists all of them, with their docstrings."""

from __future__ import annotations

from pathlib import Path

import pytest

from quaterion_core.testing import CHECKS, PLUGIN_CHECKS

PAGE = Path(__file__).parents[2] / "docs" / "plugins" / "conformance.md"
ALL_CHECKS = {**{kind.plural: checks for kind, checks in CHECKS.items()}, "plugin": PLUGIN_CHECKS}


def table(checks):
    rows = (
        f"| `{check.name}` | {' '.join(check.catches.split())} | {check.way_out} |"
        for check in checks.values()
    )
    return "\n".join(["| check | catches | what to do |", "| --- | --- | --- |", *rows])


@pytest.mark.parametrize("kind", ALL_CHECKS)
def test_the_page_lists_every_check(kind):
    """If this fails, copy the expected text of the assertion to the page."""
    assert table(ALL_CHECKS[kind]) in PAGE.read_text(encoding="utf-8")
