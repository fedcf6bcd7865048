"""`quaterion components` shows what a recipe can choose."""

import pytest
from click.testing import CliRunner

from quaterion_core.cli import main


def run(*arguments):
    return CliRunner().invoke(main, ["components", *arguments])


def test_all_kinds_are_listed_without_importing_anything(run_python):
    code = (
        "import sys; from quaterion_core.cli import main;"
        "main(['components', 'loss'], standalone_mode=False) if len(sys.argv) > 1 else "
        "main(['components', '--help'], standalone_mode=False); print('torch' in sys.modules)"
    )
    import sys

    assert run_python("-c", code, path=sys.path).stdout.splitlines()[-1] == "False"
    output = run().output
    for expected in (
        "losses: ",
        "quaterion-core/triplet",
        "optimizers: ",
        "quaterion-core/adagrad",
        "schedules: ",
    ):
        assert expected in output
    assert "batch samplers: quaterion-core/groups, quaterion-core/no-duplicates" in output


@pytest.mark.parametrize("kind", ["loss", "losses"])
def test_a_kind_is_listed_with_what_each_component_is(kind):
    lines = run(kind).output.splitlines()
    (line,) = [line for line in lines if line.startswith("quaterion-core/triplet ")]
    assert len(line.split(maxsplit=1)[1]) > 20


@pytest.mark.parametrize(
    ("kind", "name", "rows"),
    [
        ("loss", "triplet", [["margin", "0.5", "a number"], ["soft", "false", "true or false"]]),
        ("head", "linear-projection", [["output_size", "required", "an integer"]]),
        ("dataset", "csv", [["files", "required", "a mapping from strings to paths"]]),
        ("optimizer", "adamw", [["weight_decay", "0.01", "a number"]]),
        ("schedule", "cosine", [["warm_up", "0.0", "a number of at least 0 and less than 1"]]),
        ("batch-sampler", "groups", [["samples_per_group", "4", "an integer"]]),
    ],
)
def test_a_component_is_shown_with_types_and_defaults(kind, name, rows):
    result = run(kind, name)
    assert result.exit_code == 0, result.output
    shown = [line.split(maxsplit=2) for line in result.output.splitlines() if line.startswith("  ")]
    for row in rows:
        assert any(cells[0] == row[0] and cells[1] == row[1] and cells[2].startswith(row[2])
                   for cells in shown if len(cells) == 3)  # fmt: skip


def test_names_that_are_nearly_right_are_suggested():
    assert "did you mean 'optimizer'?" in run("optimiser").output
    assert "did you mean 'adam'" in run("optimizer", "addam").output
    assert "did you mean 'triplet'?" in run("loss", "tripplet").output
