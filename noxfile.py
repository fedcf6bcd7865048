"""Everything that is done with the project: ``nox -l`` lists it.

The sessions that need PyTorch share one environment, so that it is installed once.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True

SHARED = Path(".nox", "shared")
DISTRIBUTIONS = [".", "plugins/quaterion_nlp", "plugins/quaterion_cv"]
PACKAGES = ["quaterion_core", "quaterion_nlp", "quaterion_cv"]
PROJECT = nox.project.load_toml("pyproject.toml")


def shared_environment(session: nox.Session, *groups: str) -> Path:
    """Install the three distributions as users do, beside what the session needs.

    Returns:
        The folder of the environment's programs.
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
    """Train a text search over Python's documentation, save it, load it, ask it."""
    programs = shared_environment(session)
    script = "examples/search_python_docs.py"
    session.run(str(programs / "python"), script, *session.posargs, external=True)


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Run the tests and the examples in the documentation of the code."""
    programs = shared_environment(session, "test")
    session.run(
        str(programs / "pytest"), "-n", "2", "--dist", "worksteal", "--doctest-modules",
        "tests", "--pyargs", *PACKAGES, *session.posargs,
        env={"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}, external=True,
    )  # fmt: skip


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Check types with mypy, strictly."""
    programs = shared_environment(session, "types", "test")
    session.run(str(programs / "mypy"), external=True)
    # What `quaterion new-plugin` writes is checked as its author will check it.
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


@nox.session
def lint(session: nox.Session) -> None:
    """Check style with ruff, and that no floor of the house imports a higher one."""
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    paths = [".", "plugins/quaterion_nlp/src", "plugins/quaterion_cv/src"]
    session.run("lint-imports", env={"PYTHONPATH": os.pathsep.join(paths)})


@nox.session
def build(session: nox.Session) -> None:
    """Build wheels and source archives of the three distributions into ``dist``."""
    session.install("--quiet", "build")
    shutil.rmtree("dist", ignore_errors=True)
    for distribution in DISTRIBUTIONS:
        session.run("python", "-m", "build", "--outdir", "dist", distribution)
