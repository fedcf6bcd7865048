"""Tests that the reference of hooks lists exactly the hooks, with their signatures."""

import inspect
import re
from pathlib import Path

import pytest

from quaterion_core.plugins import QuaterionHooks
from quaterion_core.plugins.hooks import HOOKS

PAGE = (Path(__file__).parents[2] / "docs" / "plugins" / "hooks.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^### (quaterion_\w+)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
WRAPPED = re.compile(r"\(\n    (.*)\n\)")
SECTIONS = {hook: WRAPPED.sub(r"(\1)", text) for hook, text in SECTION.findall(PAGE)}


def specification(hook):
    """Return the hook's definition as its author would write it, and its arguments."""
    signature = inspect.signature(getattr(QuaterionHooks, hook))
    arguments = [p for p in signature.parameters.values() if p.name != "self"]
    listed = ", ".join(f"{argument.name}: {argument.annotation}" for argument in arguments)
    definition = f"def {hook}({listed}) -> {signature.return_annotation}: ..."
    return definition, [argument.name for argument in arguments]


def test_the_page_has_a_section_for_each_hook_and_no_other():
    assert set(SECTIONS) == HOOKS


@pytest.mark.parametrize("hook", sorted(HOOKS))
def test_a_hook_is_documented_with_its_exact_signature(hook):
    signature, arguments = specification(hook)
    assert f"```python\n{signature}\n```" in SECTIONS[hook]
    for argument in arguments:
        assert f"\n- `{argument}`: " in SECTIONS[hook]
