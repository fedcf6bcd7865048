"""Everything that is done with the project: ``nox -l`` lists it.

The sessions that need PyTorch share one environment, so that it is installed once.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "virtualenv"

SHARED = ".nox/shared"
DISTRIBUTIONS = [".", "plugins/quaterion_nlp", "plugins/quaterion_cv"]
PACKAGES = ["quaterion_core", "quaterion_nlp", "quaterion_cv"]
GROUPS = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, *groups: str) -> None:
    """Install the three distributions as users do, and what the session needs beside them."""
    needs = nox.project.dependency_groups(GROUPS, *groups) if groups else ()
    session.install("--quiet", *DISTRIBUTIONS, *needs)


@nox.session(venv_location=SHARED, reuse_venv=True)
def demo(session: nox.Session) -> None:
    """Train a text search over Python's documentation, save it, load it, ask it."""
    install(session)
    session.run("python", "examples/search_python_docs.py", *session.posargs)


@nox.session(venv_location=SHARED, reuse_venv=True)
def tests(session: nox.Session) -> None:
    """Run the tests and the examples in the documentation of the code."""
    install(session, "test")
    env = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    session.run(
        "pytest", "-n", "2", "--dist", "worksteal", "--doctest-modules", "--pyargs",
        "tests", *PACKAGES, *session.posargs, env=env,
    )  # fmt: skip


@nox.session(venv_location=SHARED, reuse_venv=True)
def types(session: nox.Session) -> None:
    """Check types with mypy, strictly."""
    install(session, "types", "test")
    session.run("mypy")


@nox.session(reuse_venv=True)
def lint(session: nox.Session) -> None:
    """Check style with ruff, and that no floor of the house imports a higher one."""
    session.install("--quiet", *nox.project.dependency_groups(GROUPS, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    paths = [".", "plugins/quaterion_nlp/src", "plugins/quaterion_cv/src"]
    session.run("lint-imports", env={"PYTHONPATH": ":".join(paths)})


@nox.session(venv_location=SHARED, reuse_venv=True)
def bench(session: nox.Session) -> None:
    """Run a benchmark: ``nox -s bench -- losses``."""
    install(session, "test")
    for name in session.posargs:
        session.run("python", "-m", f"benchmarks.{name}")


@nox.session(reuse_venv=True)
def build(session: nox.Session) -> None:
    """Build wheels and source archives of the three distributions into ``dist``."""
    session.install("--quiet", "build")
    shutil.rmtree("dist", ignore_errors=True)
    for distribution in DISTRIBUTIONS:
        session.run("python", "-m", "build", "--outdir", str(Path("dist").absolute()), distribution)
