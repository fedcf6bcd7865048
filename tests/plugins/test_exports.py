"""What plugin authors are shown is exported, and so covered by the guarantees of versions."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import quaterion_core
from quaterion_core.plugins import ComponentKind
from quaterion_core.testing import CHECKS, PLUGIN_CHECKS

ROOT = Path(__file__).parents[2]
TEMPLATES = Path(quaterion_core.__file__).parent / "cli" / "templates"
EXAMPLES = ROOT / "examples"
SOURCES = sorted(
    [
        *TEMPLATES.rglob("*.py.template"),
        *(EXAMPLES / "third_party_plugin").rglob("*.py"),
        *(EXAMPLES / "tracker_plugin").rglob("*.py"),
    ]
)
PAGES = sorted((ROOT / "docs" / "plugins").glob("*.md"))
QUALIFIED = re.compile(r"quaterion_core(?:\.\w+)+")


def imported(source):
    """Return the (module, name) pairs that a source takes from the core."""
    source = source.replace("$conformance_imports", "Example, conformance_tests")
    source = source.replace("$plugin_imports", "Component, hookimpl")
    source = re.sub(r"\$\{?\w+\}?", "placeholder", source)
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("quaterion_core")
        for alias in node.names
    ]


def is_exported(module, name):
    found = importlib.import_module(module)
    return name in getattr(found, "__all__", vars(found))  # torch.nn has no list


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-3:]))
def test_generated_and_example_code_imports_exported_names(path):
    for module, name in imported(path.read_text(encoding="utf-8")):
        assert is_exported(module, name), f"{module}.{name}"


def test_some_sources_import_something():
    found = {pair for path in SOURCES for pair in imported(path.read_text(encoding="utf-8"))}
    assert ("quaterion_core.loss", "AnchoredGroupLoss") in found
    assert len(found) > 10


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_code_of_the_pages_imports_exported_names(path):
    blocks = re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    for block in blocks:
        for module, name in imported(block):
            assert is_exported(module, name), f"{module}.{name}"


@pytest.mark.parametrize("kind", [*ComponentKind, "plugin"])
def test_the_checks_advise_exported_names(kind):
    checks = PLUGIN_CHECKS if kind == "plugin" else CHECKS[kind]
    for check in checks.values():
        for name in QUALIFIED.findall(check.way_out + check.catches):
            if not is_module(name):
                assert is_exported(*name.rsplit(".", 1)), name


def is_module(name):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("kind", [kind for kind in ComponentKind if kind.is_class])
def test_the_base_of_each_kind_is_exported(kind):
    module, name = kind.base.split(":")
    package = ".".join(module.split(".")[:2])
    assert is_exported(package, name)
