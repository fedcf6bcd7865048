"""Arguments that are read from the source of a component are those of its class."""

import subprocess
import sys
import textwrap

import pytest

from quaterion_core.components import argument_faults, arguments_of, declared_arguments
from quaterion_core.plugins import ComponentKind, registry

RECORDS = [
    record
    for kind in ComponentKind
    if kind.is_class
    for record in registry.core_components(kind)
    if record.extra not in ("mlflow", "wandb")  # too heavy for the tests of every change
]
VALUES = ["x", "all", "0.1", 1, 0, -1, 0.5, True, None, [], ["x"], [1], {}, {"x": "y"}, {"x": 1}]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record.kind.value}-{record.id}")
def test_declared_arguments_are_those_of_the_class(record):
    declared = declared_arguments(record.target)
    actual = arguments_of(registry.load(record.kind, record.id))
    assert declared is not None
    assert {name: argument.is_required for name, argument in declared.items()} == {
        name: argument.is_required for name, argument in actual.items()
    }


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record.kind.value}-{record.id}")
def test_no_value_is_refused_that_the_class_takes(record):
    declared = declared_arguments(record.target)
    actual = arguments_of(registry.load(record.kind, record.id))
    for name in actual:
        for value in VALUES:
            early = [str(fault) for fault in argument_faults("It", declared, {name: value})]
            late = [str(fault) for fault in argument_faults("It", actual, {name: value})]
            assert not early or bool(late), (name, value, early)


def test_most_arguments_are_checked_early():
    for kind, name, argument in (
        ("loss", "triplet", "margin"),
        ("head", "linear-projection", "output_size"),
        ("optimizer", "adamw", "lr"),
        ("dataset", "csv", "limit"),
        ("batch-sampler", "groups", "samples_per_group"),
    ):
        declared = declared_arguments(registry.find(kind, name).target)
        assert list(argument_faults("It", declared, {argument: "many"}))


@pytest.fixture
def declared(tmp_path, monkeypatch):
    """Return the arguments of the class ``Part`` of a module whose import fails."""
    monkeypatch.syspath_prepend(tmp_path)

    def of(source, name):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source) + "\nraise SystemExit\n")
        return declared_arguments(f"{name}:Part")

    return of


def test_a_module_is_not_run(declared):
    found = declared("class Part:\n    def __init__(self, a: int, *, b=2): ...", "parts_plain")
    assert {name: found[name].is_required for name in found} == {"a": True, "b": False}
    assert found["a"].annotation is int


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("@decorated\nclass Part:\n    def __init__(self, a): ...", "parts_decorated"),
        ("class Part(make()):\n    pass", "parts_computed"),
        ("class Part(Unknown):\n    pass", "parts_unknown"),
        ("class Part:\n    @wrapped\n    def __init__(self, a): ...", "parts_wrapped"),
        ("class Part(Base, metaclass=Meta):\n    def __init__(self, a): ...", "parts_meta"),
        ("Part = make()", "parts_made"),
        ("class Part(:", "parts_broken"),
        (
            "class A:\n    def __init__(self, a): ...\n"
            "class B:\n    def __init__(self, b): ...\nclass Part(A, B): ...",
            "parts_two_bases",
        ),
    ],
)
def test_what_the_source_does_not_tell_is_not_guessed(declared, source, name):
    assert declared(source, name) is None


def test_annotations_that_need_an_import_allow_anything(declared):
    found = declared(
        """
        import os
        from typing import Literal
        from elsewhere import Thing
        ONE = "one"
        Size = int | None
        class Part:
            def __init__(
                self, a: Thing, b: Literal[ONE], c: "Size", d: os.getcwd(), e: "list[Thing]"
            ): ...
        """,
        "parts_annotated",
    )
    assert [str(f) for f in argument_faults("It", found, dict.fromkeys("abd", "x"))] == []
    assert [f.place for f in argument_faults("It", found, {"c": "x", "e": 3})] == [("c",), ("e",)]


def test_reading_imports_no_torch():
    code = (
        "import sys; from quaterion_core.components import declared_arguments as d;"
        "assert d('torch.optim:Adam') and d('pytorch_lightning.trainer.trainer:Trainer');"
        "assert d('torch.utils.data.dataloader:DataLoader');"
        "assert not {'torch', 'pytorch_lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
