"""What all tests share: distributions as users have them, and the summary of conformance checks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest_plugins = ["quaterion_core.testing.pytest"]


@pytest.fixture(scope="session")
def build_wheel(tmp_path_factory):
    """Return a function that builds the wheel of a distribution that lies in a folder."""

    def build(source):
        target = tmp_path_factory.mktemp("wheel")
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
            cwd=source, check=True, capture_output=True,
        )  # fmt: skip
        (wheel,) = target.glob("*.whl")
        return wheel

    return build


@pytest.fixture(scope="session")
def install_wheels(tmp_path_factory):
    """Return a function that installs wheels with pip into a new folder, and returns the folder."""

    def install(wheels):
        target = tmp_path_factory.mktemp("installed")
        subprocess.run(
            [
                sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
                "--disable-pip-version-check", "--target", str(target), *map(str, wheels),
            ],
            check=True, capture_output=True,
        )  # fmt: skip
        return target

    return install


@pytest.fixture(scope="session")
def run_python():
    """Return a function that runs Python in a process of its own, with folders on its path."""

    def run(*arguments, path=(), check=True, cwd=None, **environment):
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            env={
                **{key: value for key, value in os.environ.items() if "QUATERION" not in key},
                "PYTHONPATH": os.pathsep.join(map(str, path)),
                **environment,
            },
            check=check, cwd=cwd, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    return run
