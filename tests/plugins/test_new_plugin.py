"""Tests that a package from `quaterion new-plugin` builds, installs and passes its tests."""

import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from quaterion_core.cli import main
from quaterion_core.cli.scaffold import EXAMPLES
from quaterion_core.plugins import ComponentKind

KINDS = [kind.value for kind in EXAMPLES]


def new_plugin(*arguments):
    return CliRunner().invoke(main, ["new-plugin", *map(str, arguments)])


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """Generate a plugin with an example of every kind."""
    folder = tmp_path_factory.mktemp("work") / "acme-similarity"
    result = new_plugin("acme-similarity", "--output", folder)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def installed(generated, build_wheel, install_wheels):
    return install_wheels([build_wheel(generated)])


def test_the_generated_tests_pass_with_the_wheel_installed(generated, installed, run_script):
    result = run_script(
        "-m", "pytest", "-v", "-p", "no:cacheprovider", "tests", "--pyargs", "acme_similarity",
        path=[installed], cwd=generated,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-2000:]
    outcomes = re.findall(r"^(\S+)(?:::| ).*(PASSED|FAILED|ERROR)", result.stdout, re.MULTILINE)
    assert {outcome for _, outcome in outcomes} == {"PASSED"}
    conformance = [name for name, _ in outcomes if name.startswith("tests/test_conformance.py")]
    doctests = [name for name, _ in outcomes if "acme_similarity" in name]
    assert len(conformance) >= 5 * len(KINDS)
    assert len(doctests) >= len(KINDS)


def test_the_check_finds_the_generated_plugin_in_order(installed, run_python):
    result = run_python(
        "-m", "quaterion_core.cli", "plugins", "--check",
        path=[installed], QUATERION_PLUGINS="acme-similarity",
    )  # fmt: skip
    for name in ("hashed-words", "bottleneck", "neighbourhood", "success-at-k", "intents"):
        assert name in result.stdout
    assert "plugins: 0 broken." in result.stdout


def test_the_recipe_of_the_generated_readme_trains(generated, installed, run_script, tmp_path):
    (recipe,) = re.findall(r"```yaml\n(.*?)```", (generated / "README.md").read_text(), re.DOTALL)
    (tmp_path / "recipe.yaml").write_text(f"{recipe}epochs: 1\n")
    result = run_script(
        "-m", "quaterion_core.cli", "fit", tmp_path / "recipe.yaml", "--output", tmp_path / "model",
        path=[installed],
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert '"acme-similarity/hashed-words"' in (tmp_path / "model" / "config.json").read_text()


@pytest.mark.parametrize("kinds", [KINDS, *([kind] for kind in KINDS)], ids="+".join)
def test_the_generated_code_is_in_good_style(kinds, tmp_path):
    options = [argument for kind in kinds for argument in ("--kind", kind)]
    folder = tmp_path / "acme-similarity"
    assert new_plugin("acme-similarity", *options, "--output", folder).exit_code == 0
    for arguments in (["check"], ["format", "--check"]):
        result = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--no-cache"],
            cwd=folder, capture_output=True, text=True,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_of_one_kind_has_nothing_of_the_others(kind, tmp_path):
    new_plugin("acme-parts", "--kind", kind, "--output", tmp_path / "acme")
    source = (tmp_path / "acme/src/acme_parts/plugin.py").read_text()
    assert re.findall(r"def (quaterion_\w+)", source) == [ComponentKind(kind).hook]
    modules = {path.name for path in (tmp_path / "acme/src/acme_parts").glob("*.py")}
    assert len(modules - {"__init__.py", "plugin.py"}) == 1


def test_the_folder_is_called_like_the_package_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = new_plugin("acme-similarity")
    assert "Wrote acme-similarity." in result.output
    assert (tmp_path / "acme-similarity/pyproject.toml").is_file()
    assert (tmp_path / "acme-similarity/.github/workflows/tests.yml").is_file()


def test_no_folder_that_holds_something_is_written_to(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    result = new_plugin("acme", "--output", tmp_path)
    assert result.exit_code == 1
    assert "is not empty" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_cannot_be_written_whole_is_not_written_at_all(tmp_path, monkeypatch):
    def breaks_off(*_):
        yield "pyproject.toml", "[project]"
        raise OSError("no space left")

    monkeypatch.setattr("quaterion_core.cli.new_plugin.plugin_files", breaks_off)
    result = new_plugin("acme", "--output", tmp_path / "acme")
    assert "no space left" in result.output
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("quaterion-core", "is taken"),
        ("quaterion-nlp", "is taken"),
        ("local", "is taken"),
        ("Acme_Similarity", "How about 'acme-similarity'?"),
        ("acme--similarity", "How about 'acme-similarity'?"),
        ("../acme", "lower-case words joined by hyphens"),
        ("3d-shapes", "Python cannot import '3d_shapes'"),
        ("lambda", "Python cannot import 'lambda'"),
        ("json", "would hide the module 'json'"),
        ("torch", "would hide the package 'torch', which is installed"),
        ("ruamel-yaml", "would hide the package 'ruamel_yaml', which is installed"),
    ],
)
def test_what_cannot_be_a_name_is_refused(name, told, tmp_path):
    result = new_plugin(name, "--output", tmp_path / "plugin")
    assert result.exit_code == 2
    assert told in " ".join(result.output.split())
    assert not any(tmp_path.iterdir())


def test_nothing_heavy_is_imported(run_python, tmp_path):
    arguments = ["new-plugin", "acme", "--output", str(tmp_path / "acme")]
    program = (
        "import sys\n"
        "from quaterion_core.cli import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        "print([n for n in ('torch', 'numpy', 'pydantic', 'rich') if n in sys.modules])\n"
    )
    assert run_python("-c", program).stdout.endswith("[]\n")
