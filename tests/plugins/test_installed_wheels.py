"""Tests of plugins that are built as wheels, installed and discovered by entry points."""

import json

import pytest

OURS = (
    "quaterion-core",
    "quaterion-nlp",
    "quaterion-cv",
    "quaterion-report",
    "quaterion-serving",
    "quaterion-tune",
)

GOOD_LOSS = '''
from quaterion_core.loss.group_loss import GroupLoss


class GoodLoss(GroupLoss):
    """A loss."""

    def forward(self, embeddings, groups):
        return self.nothing_to_learn(embeddings)
'''


@pytest.fixture(scope="module")
def installed(build_plugin_wheel, install_wheels, write_plugin_source):
    """Install wheels of a working plugin and of plugins with one fault each."""
    sources = {
        "acme-good": write_plugin_source(
            losses={"good-loss": "acme_good.losses:GoodLoss", "shared": "acme_good.losses:GoodLoss"}
        ),
        "acme-broken": "import no_such_module",
        "acme-exit": "import sys; sys.exit(7)",
        "acme-future": "quaterion_api = 2",
        "acme-misspelt": write_plugin_source("@hookimpl\ndef quaterion_losess():\n    return {}\n"),
        "acme-kind": write_plugin_source(encoders={"thing": "acme_kind.losses:GoodLoss"}),
        "acme-clash": write_plugin_source(losses={"shared": "acme_clash.losses:GoodLoss"}),
        "acme-heavy": "import torch\n"
        + write_plugin_source(losses={"heavy": "acme_heavy.losses:GoodLoss"}),
        "acme-raises": write_plugin_source(
            "@hookimpl\ndef quaterion_losses():\n    return 1 / 0\n"
        ),
    }
    wheels = []
    for distribution, source in sources.items():
        package = distribution.replace("-", "_")
        files = {"plugin.py": source, "losses.py": GOOD_LOSS}
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
    """Run the command once and return its report by plugin."""
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
        ("acme-kind", "ok", ""),
        ("acme-heavy", "ok", ""),
        ("acme-raises", "failed", "ZeroDivisionError: division by zero"),
    ],
)
def test_each_plugin_is_a_line_in_the_report(reports, distribution, status, told):
    report = reports[distribution]
    assert report["status"] == status
    assert report["version"] == "1.0"
    assert told in " ".join([report["reason"], *report["warnings"], *report["notes"]])


def test_the_plugins_of_the_project_are_found_beside_broken_ones(reports):
    assert set(OURS) <= set(reports)


def test_one_entry_point_name_in_many_distributions_hides_none(reports):
    assert sum(report["entry_point"].startswith("acme = ") for report in reports.values()
               if report["entry_point"]) == 9  # fmt: skip


def test_a_good_plugin_works_beside_broken_ones(installed, run_python):
    program = (
        "from quaterion_core.plugins import registry\n"
        "print(registry.load('loss', 'good-loss').__doc__)\n"
    )
    result = run_python("-c", program, path=[installed])
    assert result.stdout == "A loss.\n"
    assert result.stderr.count("PluginWarning") == 5


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
    for name in ("acme-broken", "acme-exit", "acme-future", "acme-misspelt", "acme-raises"):
        assert f"The plugin {name} 1.0" in result.stderr


@pytest.fixture(scope="module")
def check(installed, run_python):
    """Check all plugins with one command and return its result."""
    return run_python(
        "-m",
        "quaterion_core.cli",
        "plugins",
        "--check",
        path=[installed],
        check=False,
        COLUMNS="100",
    )


@pytest.fixture(scope="module")
def checked(check):
    """Return the result of the check by plugin, each as one line."""
    _, _, table = check.stdout.partition("\n")
    blocks = (" ".join(block.split()) for block in table.split("\n\n"))
    return {block.split()[0]: block for block in blocks}


@pytest.mark.parametrize(
    ("distribution", "told"),
    [
        (
            "acme-broken",
            [
                "failed",
                "acme_broken/plugin.py, line 1: add the package that has 'no_such_module' to the",
            ],
        ),
        ("acme-exit", ["failed", "acme_exit/plugin.py, line 1: a plugin must not end the program"]),
        ("acme-future", ["wrong API", "state quaterion_api = 1 there"]),
        (
            "acme-misspelt",
            ["did you mean 'quaterion_losses'?", "correct the hook in acme_misspelt"],
        ),
        (
            "acme-kind",
            [
                "encoder thing: acme_kind.losses:GoodLoss is not derived from "
                "quaterion_core.encoders.encoder.Encoder",
                "it is one of the losses: declare it in quaterion_losses",
            ],
        ),
        (
            "acme-clash",
            ["is also 'acme-good/shared'; this one is reached as 'acme-clash/shared'"],
        ),
        (
            "acme-heavy",
            ["importing acme_heavy.plugin imports numpy, torch", "'package.module:Class'"],
        ),
        ("acme-raises", ["failed", "acme_raises/plugin.py, line 6: quaterion_losses raised"]),
    ],
)
def test_the_check_tells_the_author_what_to_do(checked, distribution, told):
    for words in told:
        assert words in checked[distribution]


def test_the_check_has_nothing_against_a_good_plugin(checked):
    good = checked["acme-good"]
    assert good.startswith("acme-good 1.0 ok losses good-loss, shared note ")
    for label in ("reason", "warning", "advice", "broken"):
        assert f" {label} " not in good


def test_the_check_counts_what_is_broken(check):
    assert check.returncode == 1
    assert "plugins: 6 broken.\n" in check.stdout
    assert "components: 1 broken, " in check.stdout


def test_the_check_has_nothing_against_the_plugins_of_the_project(checked):
    for name in OURS:
        assert " advice " not in checked[name]
        assert " broken " not in checked[name]
