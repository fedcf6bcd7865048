"""Plugins as users have them: built into wheels, installed, found through their entry points."""

import json

import pytest


@pytest.fixture(scope="module")
def installed(build_plugin_wheel, install_wheels, write_plugin_source):
    """Install wheels of a good plugin and of plugins that are broken in one way each."""
    sources = {
        "acme-good": write_plugin_source(
            losses={"good-loss": "acme_good.losses:GoodLoss", "shared": "acme_good.losses:GoodLoss"}
        ),
        "acme-broken": "import no_such_module",
        "acme-exit": "import sys; sys.exit(7)",
        "acme-future": "quaterion_api = 2",
        "acme-clash": write_plugin_source(losses={"shared": "acme_clash.losses:Other"}),
        "acme-misspelt": write_plugin_source("@hookimpl\ndef quaterion_losess():\n    return {}\n"),
    }
    modules = {"acme-good": {"losses.py": 'class GoodLoss:\n    """A loss."""\n'}}
    wheels = []
    for distribution, source in sources.items():
        package = distribution.replace("-", "_")
        files = {"plugin.py": source, **modules.get(distribution, {})}
        wheels.append(
            build_plugin_wheel(
                distribution,
                {f"{package}/{name}": content for name, content in files.items()},
                entry_points={"acme": f"{package}.plugin"},
            )
        )
    return install_wheels(wheels)


@pytest.fixture(scope="module")
def reports(installed, run_python):
    """Run the command once and return what it tells of each plugin."""
    result = run_python("-m", "quaterion_core.cli", "plugins", "--json", path=[installed])
    return {plugin["distribution"]: plugin for plugin in json.loads(result.stdout)["plugins"]}


@pytest.mark.parametrize(
    ("distribution", "status", "told"),
    [
        ("acme-good", "ok", ""),
        ("acme-broken", "failed", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("acme-exit", "failed", "SystemExit: 7"),
        ("acme-future", "wrong API", "is for plugin API 2"),
        ("acme-clash", "ok", "the loss 'shared' is also 'acme-good/shared'"),
        ("acme-misspelt", "empty", "did you mean 'quaterion_losses'?"),
    ],
)
def test_each_plugin_is_a_line_in_the_report(reports, distribution, status, told):
    report = reports[distribution]
    assert report["status"] == status
    assert report["version"] == "1.0"
    assert told in " ".join([report["reason"], *report["warnings"], *report["notes"]])


def test_the_plugins_of_the_project_are_found_beside_broken_ones(reports):
    assert {"quaterion-core", "quaterion-nlp", "quaterion-cv"} <= set(reports)


def test_one_entry_point_name_in_many_distributions_hides_none(reports):
    assert sum(report["entry_point"].startswith("acme = ") for report in reports.values()
               if report["entry_point"]) == 6  # fmt: skip


def test_a_good_plugin_works_beside_broken_ones(installed, run_python):
    program = (
        "from quaterion_core.plugins import registry\n"
        "print(registry.load('loss', 'good-loss').__doc__)\n"
    )
    result = run_python("-c", program, path=[installed])
    assert result.stdout == "A loss.\n"
    assert result.stderr.count("PluginWarning") == 4


def test_names_that_clash_are_told_to_the_one_who_uses_them(installed, run_python):
    program = (
        "from quaterion_core.plugins import AmbiguousNameError, registry\n"
        "try:\n"
        "    registry.find('loss', 'shared')\n"
        "except AmbiguousNameError as error:\n"
        "    print(error)\n"
    )
    result = run_python("-W", "ignore", "-c", program, path=[installed])
    assert "write 'acme-clash/shared' or 'acme-good/shared'" in result.stdout


def test_a_denied_plugin_of_a_wheel_does_not_run(installed, run_python):
    program = (
        "import sys\n"
        "from quaterion_core.plugins import registry\n"
        "registry.plugins()\n"
        "print([name for name in sys.modules if name.startswith('acme')])\n"
    )
    result = run_python(
        "-c", program, path=[installed], QUATERION_PLUGINS="quaterion-nlp", PYTHONWARNINGS="error"
    )
    assert result.stdout == "[]\n"


def test_strictness_ends_the_program(installed, run_python):
    program = "from quaterion_core.plugins import registry; registry.plugins()"
    result = run_python("-c", program, path=[installed], check=False, QUATERION_PLUGINS_STRICT="1")
    assert result.returncode == 1
    for name in ("acme-broken", "acme-exit", "acme-future", "acme-misspelt"):
        assert f"The plugin {name} 1.0" in result.stderr
