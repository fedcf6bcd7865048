import json

import pytest
from click.testing import CliRunner

from quaterion_core.cli import main
from quaterion_core.version import __version__

HEAVY = "torch", "numpy", "pydantic", "rich", "pytorch_lightning"


@pytest.fixture
def run(site, monkeypatch):
    """Return a function that runs the command with the plugins of ``site``."""

    def run(*arguments):
        registry = site.registry()
        monkeypatch.setattr("quaterion_core.cli.plugins.registry", registry)
        monkeypatch.setattr("quaterion_core.plugins.component_check.registry", registry)
        return CliRunner(env={"COLUMNS": "80"}).invoke(main, arguments)

    return run


@pytest.fixture
def report(run):
    """Return a function that returns the reports of ``--json`` without that of the core."""

    def report(*arguments):
        result = run("plugins", "--json", *arguments)
        content = json.loads(result.stdout)
        return {plugin["distribution"]: plugin for plugin in content["plugins"][1:]}

    return report


@pytest.fixture
def losses(site):
    """Install a plugin with working losses and losses with one fault each."""
    classes = """
        from quaterion_core.loss.group_loss import GroupLoss

        class Good(GroupLoss):
            \"\"\"In order.\"\"\"

        class Undocumented(GroupLoss):
            pass

        class Alien:
            \"\"\"No loss.\"\"\"
    """

    def install(**names):
        targets = {name: f"acme.losses:{target}" for name, target in names.items()}
        site.install("acme", losses=targets, files={"acme/losses.py": classes})

    return install


def test_the_report_says_what_a_plugin_brings(site, report):
    site.install("acme", version="2.3", losses={"x": "acme.losses:X"})
    assert report() == {
        "acme": {
            "distribution": "acme",
            "version": "2.3",
            "entry_point": "acme = acme.plugin",
            "status": "ok",
            "reason": "",
            "components": [
                {
                    "kind": "loss",
                    "id": "acme/x",
                    "target": "acme.losses:X",
                    "extra": None,
                    "former_ids": [],
                }
            ],
            "hooks": [],
            "warnings": [],
            "notes": [],
        }
    }


def test_the_report_begins_with_core(run):
    core = json.loads(run("plugins", "--json").stdout)["plugins"][0]
    assert (core["distribution"], core["version"]) == ("quaterion-core", __version__)
    assert "quaterion-core/triplet" in {component["id"] for component in core["components"]}


def test_what_a_plugin_prints_does_not_spoil_the_json(site, report):
    site.install("acme", "print('Welcome to ACME!')\nquaterion_api = 1\n")
    assert report()["acme"]["status"] == "empty"


def test_a_broken_plugin_is_a_line_and_no_failure(site, run):
    site.install("broken", "1 / 0")
    result = run("plugins")
    assert result.exit_code == 0
    assert "ZeroDivisionError: division by zero" in result.output
    assert "Warning" not in result.output


def test_the_table_fits_into_80_columns(site, run, write_plugin_source):
    site.install(
        "a-distribution-with-quite-a-long-name",
        write_plugin_source(
            "@hookimpl\ndef quaterion_losess():\n    pass\n",
            losses={"triplet": "x:Y", "a-loss-with-an-uncommonly-long-name-of-its-own": "x:Z"},
        ),
        version="10.11.12.dev13",
    )
    lines = run("plugins").output.splitlines()
    assert max(map(len, lines)) <= 80


def test_square_brackets_are_shown_as_they_are(site, run):
    site.install("broken", "raise ValueError('[red]boo[/red]')")
    assert "[red]boo[/red]" in run("plugins").output


def test_components_that_are_in_order_pass_the_check(losses, run):
    losses(good="Good")
    result = run("plugins", "--json", "--check")
    assert {"kind": "loss", "id": "acme/good", "problem": "", "skipped": ""} in json.loads(
        result.stdout
    )["check"]


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("Alien", "acme.losses:Alien is not derived from quaterion_core.loss.similarity_loss"),
        ("Undocumented", "acme.losses:Undocumented has no docstring"),
        ("Absent", "AttributeError"),
    ],
)
def test_the_check_finds_what_is_broken(losses, run, target, problem):
    losses(good="Good", other=target)
    result = run("plugins", "--json", "--check")
    problems = {entry["id"]: entry["problem"] for entry in json.loads(result.stdout)["check"]}
    assert result.exit_code == 1
    assert problem in problems["acme/other"]
    assert problems["acme/good"] == ""


def test_what_the_check_finds_is_in_the_table(losses, run):
    losses(other="Undocumented")
    assert "has no docstring" in " ".join(run("plugins", "--check").output.split())


def test_a_component_whose_extra_is_not_installed_is_skipped(site, run):
    site.install(
        "acme",
        "from quaterion_core.plugins import Component, hookimpl\n"
        "quaterion_api = 1\n"
        "@hookimpl\n"
        "def quaterion_losses():\n"
        "    return {'x': Component('acme.losses:X', extra='gpu')}\n",
        files={"acme/losses.py": "import no_such_driver"},
    )
    result = run("plugins", "--json", "--check")
    (entry,) = [e for e in json.loads(result.stdout)["check"] if e["id"] == "acme/x"]
    assert entry["problem"] == ""
    assert "the extra 'gpu'" in entry["skipped"]


@pytest.mark.parametrize(
    "source",
    ["1 / 0", "quaterion_api = 9", "import quaterion_core.plugins as q\n"
     "quaterion_api = 1\n@q.hookimpl\ndef quaterion_losess(): pass\n"],
)  # fmt: skip
def test_the_check_fails_for_a_plugin_that_has_a_problem(site, run, monkeypatch, source):
    monkeypatch.setattr("quaterion_core.cli.plugins.check_components", lambda _: [])
    assert run("plugins", "--check").exit_code == 0
    site.install("acme", source)
    assert run("plugins", "--check").exit_code == 1


def test_strictness_is_an_error_without_a_traceback(site, run, monkeypatch):
    monkeypatch.setenv("QUATERION_PLUGINS_STRICT", "1")
    site.install("broken", "1 / 0")
    result = run("plugins")
    assert result.exit_code == 1
    assert "Error: The plugin broken 1.0 is left out: ZeroDivisionError" in result.output


def test_the_check_passes_a_plugin_that_is_disabled(site, run, monkeypatch):
    monkeypatch.setattr("quaterion_core.cli.plugins.check_components", lambda _: [])
    monkeypatch.setenv("QUATERION_DISABLE_PLUGINS", "acme")
    site.install("acme", "1 / 0")
    assert run("plugins", "--check").exit_code == 0


def test_help_names_the_commands():
    output = CliRunner().invoke(main, ["--help"]).output
    for name in ("evaluate", "fit", "new-plugin", "plugins", "search"):
        assert f"\n  {name} " in output


def test_an_unknown_command_is_refused():
    result = CliRunner().invoke(main, ["plugin"])
    assert result.exit_code == 2
    assert "No such command 'plugin'" in result.output


def test_the_version_is_cores():
    assert __version__ in CliRunner().invoke(main, ["--version"]).output


@pytest.mark.parametrize("arguments", [["plugins", "--json"], ["plugins"], ["--help"]])
def test_the_command_imports_nothing_heavy(run_python, arguments):
    program = (
        "import sys\n"
        "from quaterion_core.cli import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    assert run_python("-c", program).stdout.endswith("HEAVY []\n")


@pytest.mark.parametrize("module", ["quaterion_core.plugins", "quaterion_nlp.plugin"])
def test_plugin_modules_import_nothing_heavy(run_python, module):
    program = (
        f"import sys, {module}\n"
        f"print([name for name in {(*HEAVY, 'importlib_metadata')!r} if name in sys.modules])\n"
    )
    assert run_python("-c", program).stdout == "[]\n"
