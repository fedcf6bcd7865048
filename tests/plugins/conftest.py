"""Fixtures of installed plugins, written to a folder or built and installed as wheels."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from quaterion_core.plugins import Registry

HEADER = """\
from quaterion_core.plugins import Component, hookimpl

quaterion_api = 1
"""


def plugin_source(body="", **declared):
    """Write a plugin module that declares ``encoders={name: target}``, ``losses=...`` and so on."""
    hooks = (
        f"\n\n@hookimpl\ndef quaterion_{kinds}():\n    return {components!r}\n"
        for kinds, components in declared.items()
    )
    return "".join([HEADER, textwrap.dedent(body), *hooks])


class Site:
    """A folder on ``sys.path`` with distributions, written directly without an installer."""

    def __init__(self, folder: Path):
        self.folder = folder

    def install(
        self,
        name,
        source=None,
        *,
        version="1.0",
        package=None,
        files=(),
        entry_points=None,
        folder=None,
        **declared,
    ):
        """Write a distribution and return its folder of metadata.

        Its package, by default called like it, has a module ``plugin`` with the source given, or
        one that declares ``encoders={name: target}``, ``losses=...`` and so on.
        """
        folder = folder or self.folder
        package = package or name.lower().replace("-", "_").replace(".", "_")
        info = folder / f"{name.lower().replace('-', '_')}-{version}.dist-info"
        modules = {
            f"{package}/__init__.py": "",
            f"{package}/plugin.py": plugin_source(**declared) if source is None else source,
            **dict(files),
        }
        for path, content in modules.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(textwrap.dedent(content))
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n"
        )
        lines = [
            f"{key} = {value}"
            for key, value in (entry_points or {package: f"{package}.plugin"}).items()
        ]
        (info / "entry_points.txt").write_text("\n".join(["[quaterion.plugins]", *lines, ""]))
        return info

    def registry(self):
        """Make a registry that sees the distributions of this folder and no others."""
        return Registry(path=[str(self.folder)])


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Return a folder on ``sys.path`` for distributions; its modules are unloaded afterwards."""
    for variable in ("QUATERION_PLUGINS", "QUATERION_DISABLE_PLUGINS", "QUATERION_PLUGINS_STRICT"):
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield Site(folder)
    for name, module in list(sys.modules.items()):
        if str(vars(module).get("__file__")).startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture(scope="session")
def write_plugin_source():
    """Return a function that writes the source of a plugin module; see :func:`plugin_source`."""
    return plugin_source


@pytest.fixture(scope="session")
def build_plugin_wheel(tmp_path_factory, build_wheel):
    """Return a function that builds the wheel of a plugin from source files, with hatchling.

    ``build(distribution, {"acme/plugin.py": source, ...}, entry_points={"acme": "acme.plugin"})``
    """

    def build(distribution, files, *, entry_points, version="1.0"):
        source = tmp_path_factory.mktemp(distribution)
        packages = sorted({path.partition("/")[0] for path in files})
        lines = [
            '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"',
            f'[project]\nname = "{distribution}"\nversion = "{version}"',
            '[project.entry-points."quaterion.plugins"]',
            *(f'{key} = "{value}"' for key, value in entry_points.items()),
            f"[tool.hatch.build.targets.wheel]\npackages = {packages!r}",
        ]
        contents = {"pyproject.toml": "\n".join(lines)}
        contents |= {f"{package}/__init__.py": "" for package in packages}
        for path, content in {**contents, **files}.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(textwrap.dedent(content))
        return build_wheel(source)

    return build
