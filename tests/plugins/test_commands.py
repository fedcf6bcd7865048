"""Commands of plugins: found without importing them, and harmless where they are broken."""

import sys

import pytest
from click.testing import CliRunner

from quaterion_core.cli import main

COMMAND = """
    import click

    @click.command()
    @click.option("--count", type=int, default=1)
    def report(count):
        "Print a report."
        click.echo(f"{count} reports")

    no_command = 5
"""


@pytest.fixture
def run(site, monkeypatch):
    """Return a function that runs `quaterion` with the plugins of the site, and no others."""

    def invoke(*arguments):
        monkeypatch.setattr("quaterion_core.cli.command_group.registry", site.registry())
        return CliRunner().invoke(main, arguments)

    return invoke


def install(site, name, **commands):
    package = name.replace("-", "_")
    source = f"""
        from quaterion_core.plugins import Component, hookimpl

        quaterion_api = 1

        @hookimpl
        def quaterion_commands():
            return {{
                name: Component("{package}.cli:" + target, summary="Report on " + name + ".")
                for name, target in {commands!r}.items()
            }}
    """
    site.install(name, source, files={f"{package}/cli.py": COMMAND}.items())


def test_a_command_is_listed_without_being_imported_and_imported_to_run(site, run):
    install(site, "acme-tools", report="report")
    result = run("--help")
    assert result.exit_code == 0
    assert "report      Report on report." in result.output
    assert "fit         Train a model" in result.output
    assert "acme_tools.cli" not in sys.modules
    result = run("report", "--count", "3")
    assert (result.exit_code, result.output) == (0, "3 reports\n")


def test_the_names_of_cores_commands_refer_to_these(site, run):
    install(site, "acme-tools", fit="report")
    assert "  acme-tools/fit " in run("--help").output
    assert "RECIPE" in run("fit", "--help").output
    assert run("acme-tools/fit").output == "1 reports\n"


def test_a_name_of_two_plugins_is_ambiguous(site, run):
    install(site, "acme-tools", report="report")
    install(site, "other-tools", report="report")
    listed = run("--help").output
    assert "acme-tools/report" in listed
    assert "other-tools/report" in listed
    result = run("report")
    assert result.exit_code == 1
    assert "write 'acme-tools/report' or 'other-tools/report'" in result.output
    assert run("other-tools/report").exit_code == 0


@pytest.mark.parametrize("strict", ["0", "1"])
def test_a_broken_plugin_is_a_line_of_the_help(site, run, monkeypatch, strict):
    site.install("acme-broken", "print('hello')\nimport no_such_package")
    install(site, "acme-tools", report="report")
    monkeypatch.setenv("QUATERION_PLUGINS_STRICT", strict)
    result = run("--help")
    assert result.exit_code == 0
    assert "No module named 'no_such_package'" in " ".join(result.output.split())
    assert "Train a model" in result.output
    assert run("plugins", "--help").exit_code == 0


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("missing", "has no attribute 'missing'"),
        ("no_command", "Expected the command 'report' to be a click.Command, got 5."),
    ],
)
def test_a_broken_command_says_what_is_wrong(site, run, target, message):
    install(site, "acme-tools", report=target)
    assert run("--help").exit_code == 0
    result = run("report")
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())


def test_a_nearly_right_name_is_suggested(site, run):
    install(site, "acme-tools", report="report")
    for given, meant in (("raport", "report"), ("fitt", "fit")):
        result = run(given)
        assert result.exit_code == 2
        assert f"No such command '{given}': did you mean '{meant}'?" in result.output
    assert "No such command 'Acme Tools'" in run("Acme Tools").output


def test_the_help_imports_no_torch(run_python):
    code = (
        "import sys; from quaterion_core.cli import main;"
        "main(['--help'], standalone_mode=False); print('torch' in sys.modules)"
    )
    assert run_python("-c", code, path=sys.path).stdout.splitlines()[-1] == "False"
