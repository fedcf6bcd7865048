"""Tasks of the project: ``nox -l`` lists them.

Sessions that need PyTorch share one environment, so that it is installed once. Sessions for lowest
and newest versions have environments of their own.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox
from packaging.requirements import Requirement
from packaging.version import Version

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True

SHARED = Path(".nox", "shared")
DISTRIBUTIONS = [
    ".", "plugins/quaterion_nlp", "plugins/quaterion_cv", "plugins/quaterion_report",
    "plugins/quaterion_serving", "plugins/quaterion_tune",
]  # fmt: skip
PACKAGES = [
    "quaterion_core", "quaterion_nlp", "quaterion_cv", "quaterion_report", "quaterion_serving",
    "quaterion_tune",
]  # fmt: skip
PROJECT = nox.project.load_toml("pyproject.toml")
TEST_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def shared_environment(session: nox.Session, *groups: str) -> Path:
    """Install the distributions as users do, with the dependencies of the session.

    Returns:
        The folder of the executables of the environment.
    """
    programs = SHARED.absolute() / ("Scripts" if sys.platform == "win32" else "bin")
    if not (programs / "python").exists() and not (programs / "python.exe").exists():
        session.run(sys.executable, "-m", "venv", str(SHARED), external=True)
    needs = nox.project.dependency_groups(PROJECT, *groups)
    pip = [str(programs / "python"), "-m", "pip", "install", "--quiet"]
    session.run(*pip, "--disable-pip-version-check", *DISTRIBUTIONS, *needs, external=True)
    return programs


@nox.session(venv_backend="none")
def demo(session: nox.Session) -> None:
    """Train, save, load and query a text search over the documentation of Python."""
    programs = shared_environment(session)
    script = "examples/search_python_docs.py"
    session.run(str(programs / "python"), script, *session.posargs, external=True)


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Run the tests and the docstring examples."""
    programs = shared_environment(session, "test")
    session.run(
        str(programs / "pytest"), "-n", "2", "--dist", "worksteal", "--doctest-modules",
        "tests", "--pyargs", *PACKAGES, *session.posargs,
        env=TEST_ENVIRONMENT, external=True,
    )  # fmt: skip


SMOKE_TESTS = [
    "tests/core/cli/test_commands.py", "tests/core/storage", "tests/core/test_model.py",
    "tests/core/train/test_fit.py", "tests/core/train/test_grad_cache.py",
    "tests/cv/encoders/test_timm_encoder.py", "tests/cv/test_training_by_name.py",
    "tests/nlp/test_sentence_transformer_encoder.py", "tests/nlp/test_training_by_name.py",
    "tests/plugins/test_discovery.py",
]  # fmt: skip
"""Tests of everything that depends on versions of other packages."""


@nox.session(python="3.10")
def lowest(session: nox.Session) -> None:
    """Run tests with the lowest versions that the distributions declare."""
    constraints = Path(session.create_tmp(), "lowest.txt")
    constraints.write_text("\n".join(lowest_versions()), encoding="utf-8")
    test_with(session, "--constraint", str(constraints))


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def newest(session: nox.Session) -> None:
    """Run tests with the newest versions of all dependencies."""
    test_with(session, "--upgrade", "--upgrade-strategy", "eager")


def test_with(session: nox.Session, *pip_options: str) -> None:
    """Install the distributions and test dependencies with pip, and run the tests given or some."""
    needs = nox.project.dependency_groups(PROJECT, "test")
    session.install("--quiet", *pip_options, *DISTRIBUTIONS, *needs)
    session.run("pytest", "-q", *(session.posargs or SMOKE_TESTS), env=TEST_ENVIRONMENT)


def lowest_versions() -> list[str]:
    """Return a pin to its lower bound for each dependency of the distributions, without extras.

    Dependencies of dependencies are not pinned. Where distributions differ, the highest bound
    counts.
    """
    bounds: dict[str, Version] = {}
    for distribution in DISTRIBUTIONS:
        project = nox.project.load_toml(Path(distribution, "pyproject.toml"))["project"]
        for requirement in map(Requirement, project["dependencies"]):
            for bound in requirement.specifier:
                if bound.operator == ">=" and not requirement.name.startswith("quaterion"):
                    version = Version(bound.version)
                    bounds[requirement.name] = max(version, bounds.get(requirement.name, version))
    return [f"{name}=={version}" for name, version in sorted(bounds.items())]


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Check types with mypy, in strict mode."""
    programs = shared_environment(session, "types", "test")
    session.run(str(programs / "mypy"), external=True)
    # A generated plugin must pass the same check.
    generated = Path(session.create_tmp(), "generated")
    shutil.rmtree(generated, ignore_errors=True)
    command = ["new-plugin", "acme-similarity", "--output", str(generated)]
    session.run(str(programs / "quaterion"), *command, external=True)
    with session.chdir(generated):
        session.run(str(programs / "mypy"), external=True)


@nox.session(venv_backend="none")
def bench(session: nox.Session) -> None:
    """Run benchmarks: ``nox -s bench -- losses cached_training``."""
    programs = shared_environment(session, "test")
    for name in session.posargs:
        session.run(str(programs / "python"), "-m", f"benchmarks.{name}", external=True)


@nox.session(venv_backend="none")
def robustness(session: nox.Session) -> None:
    """Try hostile input and crashes: ``nox -s robustness -- --cases 10000``."""
    programs = shared_environment(session, "test")
    session.run(
        str(programs / "python"), "-m", "robustness", *session.posargs,
        env={"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}, external=True,
    )  # fmt: skip


@nox.session(venv_backend="none")
def fuzz(session: nox.Session) -> None:
    """Fuzz a parser, guided by coverage: ``nox -s fuzz -- --target recipe --runs 100000``."""
    programs = shared_environment(session, "fuzz")
    command = [str(programs / "python"), "-m", "robustness.guided", *session.posargs]
    session.run(*command, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style with ruff, and the layers of the packages with import-linter."""
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    paths = [".", *(f"{folder}/src" for folder in DISTRIBUTIONS[1:])]
    session.run("lint-imports", env={"PYTHONPATH": os.pathsep.join(paths)})


@nox.session
def build(session: nox.Session) -> None:
    """Build wheels and source archives of the distributions into ``dist``."""
    session.install("--quiet", "build")
    shutil.rmtree("dist", ignore_errors=True)
    for distribution in DISTRIBUTIONS:
        session.run("python", "-m", "build", "--outdir", "dist", distribution)
