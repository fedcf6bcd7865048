"""Tests that unknown arguments of components, such as misspelled ones, are errors."""

import inspect

import pytest
from pytorch_lightning import LightningModule

from quaterion_core.eval import AttachedMetric, RecallAtK
from quaterion_core.heads import GatedHead
from quaterion_core.plugins import MissingComponentError, registry
from quaterion_core.storage import InvalidFolderError


def swallowing(function):
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind is p.VAR_KEYWORD]


@pytest.mark.parametrize(
    "record",
    # Other tests register classes of their own in this process.
    [r for r in registry.components() if r.kind.is_class and r.distribution != "local"],
    ids=lambda record: record.id,
)
def test_no_constructor_swallows_arguments(record):
    try:
        cls = registry.load(record.kind, record.id)
    except MissingComponentError as error:
        pytest.skip(str(error))
    if not cls.__module__.startswith("quaterion"):
        pytest.skip(f"{cls.__module__} passes further arguments on")
    assert swallowing(cls) == []
    with pytest.raises(TypeError, match="no_such_argument|takes no arguments"):
        cls(no_such_argument=1)


def test_a_misspelt_argument_of_a_head_is_an_error():
    with pytest.raises(TypeError, match="dropuot"):
        GatedHead(8, dropuot=0.2)


def test_a_saved_head_with_an_unknown_argument_is_refused(tmp_path):
    GatedHead(8).save(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"dropout"', '"dropuot"'))
    with pytest.raises(InvalidFolderError, match="dropuot"):
        GatedHead.load(tmp_path)


def test_a_misspelt_option_of_logging_is_an_error_where_it_is_given():
    with pytest.raises(TypeError, match="no argument 'prog_bra'.*[Dd]id you mean 'prog_bar'"):
        AttachedMetric("recall", RecallAtK(), prog_bra=True)


def test_every_option_of_logging_is_taken():
    options = set(inspect.signature(LightningModule.log).parameters) - {"self", "name", "value"}
    AttachedMetric("recall", RecallAtK(), **dict.fromkeys(options))
