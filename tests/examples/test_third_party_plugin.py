"""Tests of the third-party plugin, in an environment without the repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "third_party_plugin"


class Environment:
    """A virtual environment with the packages installed here, and Quaterion from wheels."""

    def __init__(self, folder: Path):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        scheme = {"base": str(folder), "platbase": str(folder)}
        self.programs = Path(sysconfig.get_path("scripts", "posix_prefix", scheme))
        packages = Path(sysconfig.get_path("purelib", "posix_prefix", scheme))
        # A .pth file only adds these folders to the path: .pth files inside them, such as those of
        # editable installations, are not read.
        shared = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        (packages / "shared.pth").write_text("\n".join(sorted(shared)))

    def pip(self, *arguments):
        self.run("python", "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)

    def run(self, program, *arguments, cwd=None, check=True):
        hidden = ("PYTHONPATH", "VIRTUAL_ENV", "QUATERION_PLUGINS", "QUATERION_DISABLE_PLUGINS")
        return subprocess.run(
            [self.programs / program, *arguments], cwd=cwd, check=check, capture_output=True,
            text=True, env={key: value for key, value in os.environ.items() if key not in hidden},
        )  # fmt: skip


LOAD = """
import sys
from quaterion_core import SimilarityModel
model = SimilarityModel.load("model")
print(type(model.encoders["default"]).__module__, model.encode(["Vienna"]).shape)
files = [module.__file__ for name, module in sys.modules.items() if name.startswith("quaterion")]
print(len(files) > 10, {file.startswith(sys.prefix) for file in files})
"""
"""Loads a model and prints whether all modules of Quaterion come from the environment."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory, build_wheel):
    environment = Environment(tmp_path_factory.mktemp("clean") / "venv")
    folders = [ROOT, *sorted(ROOT.glob("plugins/quaterion_*")), EXAMPLE]
    wheels = [build_wheel(folder) for folder in folders]
    environment.pip("install", "--force-reinstall", "--no-deps", "--no-index", *wheels)
    return environment


def test_it_is_discovered_used_saved_loaded_and_reported_missing(environment, tmp_path):
    listed = json.loads(environment.run("quaterion", "plugins", "--json", cwd=tmp_path).stdout)
    (report,) = [p for p in listed["plugins"] if p["distribution"] == "quaterion-char-ngrams"]
    assert (report["status"], report["version"]) == ("ok", "0.1.0")
    assert [(part["kind"], part["id"].split("/")[1]) for part in report["components"]] == [
        ("encoder", "char-ngrams"),
        ("dataset", "corrections"),
        ("optimizer", "lion"),
        ("command", "ngrams"),
    ]

    for name in ("recipe.yaml", "cities.jsonl"):
        shutil.copy(EXAMPLE / name, tmp_path)
    environment.run("quaterion", "fit", "recipe.yaml", "--output", "model", cwd=tmp_path)
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert "quaterion-char-ngrams/char-ngrams" in json.dumps(config)

    loaded = environment.run("python", "-c", LOAD, cwd=tmp_path)
    assert loaded.stdout == (
        "quaterion_char_ngrams.char_ngrams_encoder (1, 128)\n"
        "True {True}\n"
    )  # fmt: skip

    for name in ("recipe_with_all_parts.yaml", "cities.txt"):
        shutil.copy(EXAMPLE / name, tmp_path)
    environment.run(
        "quaterion", "fit", "recipe_with_all_parts.yaml", "--output", "all", cwd=tmp_path
    )
    assert "name: quaterion-char-ngrams/lion" in (tmp_path / "all" / "recipe.yaml").read_text()
    assert "Show the n-grams of a text." in environment.run("quaterion", "--help").stdout
    assert environment.run("quaterion", "ngrams", "ab", "--largest", "2").stdout == "<a ab b>\n"

    environment.pip("uninstall", "--yes", "quaterion-char-ngrams")
    missed = environment.run("python", "-c", LOAD, cwd=tmp_path, check=False)
    assert missed.returncode == 1
    error = missed.stderr.splitlines()[-1]
    assert error.startswith("quaterion_core.plugins.errors.MissingComponentError:")
    assert "encoder 'quaterion-char-ngrams/char-ngrams' (not installed)" in error
    assert "install it only if you trust its source" in error


def test_its_own_tests_pass(run_script, build_wheel, install_wheels, tmp_path):
    folder = shutil.copytree(EXAMPLE, tmp_path / "plugin")
    result = run_script(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests",
        "--pyargs", "quaterion_char_ngrams",
        path=[install_wheels([build_wheel(folder)])], cwd=folder,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-2000:]


def test_the_wheel_of_the_core_can_write_a_new_plugin(environment, tmp_path):
    environment.run("quaterion", "new-plugin", "acme-similarity", cwd=tmp_path)
    assert (tmp_path / "acme-similarity/src/acme_similarity/hashed_words.py").is_file()
