"""A path that leads nowhere is refused before anything that takes seconds is imported."""

import sys

import pytest
from click.testing import CliRunner

from quaterion_core.cli import main


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["fit", "no.yaml", "--output", "model"], "no.yaml"),
        (["fit", "no.yaml", "--check"], "no.yaml"),
        (["evaluate", "no-model"], "no-model"),
        (["evaluate", ".", "--recipe", "no.yaml"], "no.yaml"),
        (["evaluate", ".", "--data", "no.csv"], "no.csv"),
        (["search", "no-model", "a query"], "no-model"),
        (["search", ".", "--corpus", "no.txt", "a query"], "no.txt"),
    ],
    ids=str,
)
def test_a_path_that_leads_nowhere_is_refused_first(monkeypatch, tmp_path, arguments, path):
    monkeypatch.chdir(tmp_path)
    for module in ("quaterion_core.recipe", "quaterion_core.model", "quaterion_core.utils"):
        monkeypatch.setitem(sys.modules, module, None)  # importing it fails
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert f"Error: {path} cannot be read: no such file or directory." in result.output
