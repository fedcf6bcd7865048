"""Tests that names and arguments of components are checked before anything is built."""

import enum
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pytest
import torch
from annotated_types import Ge, Gt, Lt

from quaterion_core.components import (
    arguments_of,
    build_component,
    component_faults,
    type_in_words,
    value_fault,
)
from quaterion_core.plugins import MissingComponentError, registry
from quaterion_core.plugins.nearest import nearest, unknown_name

if TYPE_CHECKING:
    from somewhere import Foreign


class Color(str, enum.Enum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, 3),
        (int, np.int64(3)),
        (float, 3),
        (float, 0.5),
        (float, np.float32(0.5)),
        (float | None, None),
        (bool, True),
        (str | Path, "a.csv"),
        (Path, "a.csv"),
        (Path, Path("a.csv")),
        (Mapping[str, str | Path], {"train": "a.csv"}),
        (Sequence[int], [1, 2]),
        (Sequence[int], (1, 2)),
        (tuple[float, float], [0.9, 0.99]),
        (Color, "red"),
        (Color | str, "red"),
        (Color | str, Color.RED),
        (Literal["a", "b"], "a"),
        (Annotated[float, Gt(0)], 1),
        (Callable[[int], int] | None, abs),
        (torch.dtype, torch.float16),
        (Any, object()),
        (torch.Tensor | float, torch.ones(1)),
    ],
)
def test_values_that_an_annotation_allows_are_accepted(annotation, value):
    assert value_fault(annotation, value) == ""


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (int, "3", "Expected an integer, got the string '3'; write it without quotes."),
        (int, 3.0, "Expected an integer, got 3.0."),
        (int, True, "Expected an integer, got True."),
        (float, True, "Expected a number, got True."),
        (float, "1e-3", "Expected a number, got the string '1e-3'; write it without quotes."),
        (float, "high", "Expected a number, got 'high'."),
        (float, float("nan"), "Expected a number, got nan."),
        (float, None, "Expected a number, got None."),
        (bool, "yes", "Expected true or false, got 'yes'."),
        (bool, 1, "Expected true or false, got 1."),
        (str, 5, "Expected a string, got 5."),
        (str | Path, 5, "Expected a path, got 5."),
        (
            Mapping[str, str | Path],
            "data.csv",
            "Expected a mapping from strings to paths, got 'data.csv'; write a mapping, such as "
            "{train: data.csv}.",
        ),
        (Sequence[int], [1, "2"], "Expected a list of integers, got [1, '2']."),
        (Sequence[int] | None, 3, "Expected a list of integers or null, got 3."),
        (Color | str, "rad", "Expected 'red' or 'blue', got 'rad': did you mean 'red'?"),
        (Literal["hard", "all"], "al", "Expected 'hard' or 'all', got 'al': did you mean 'all'?"),
        (Annotated[float, Gt(0)], -1, "Expected a number greater than 0, got -1."),
        (
            Annotated[float, Ge(0), Lt(1)],
            1,
            "Expected a number of at least 0 and less than 1, got 1.",
        ),
        (torch.Tensor, [1.0], "Expected a Tensor, got [1.0]."),
    ],
)
def test_other_values_are_faults_that_say_what_was_expected(annotation, value, message):
    assert value_fault(annotation, value) == message


def test_names_that_only_a_type_checker_imports_stand_for_any_type():
    class Loads:
        def __init__(self, model: "str | Path | Foreign", size: "int" = 3): ...

    arguments = arguments_of(Loads)
    assert value_fault(arguments["model"].annotation, object()) == ""
    assert value_fault(arguments["size"].annotation, "x") == "Expected an integer, got 'x'."


def test_all_faults_of_a_choice_and_of_those_inside_have_their_places():
    choice = {
        "name": "matryoshka",
        "loss": {"name": "triplet", "margni": 1, "soft": "no"},
        "dims": "768",
    }
    faults = {fault.place: fault.message for fault in component_faults("loss", choice, ("loss",))}
    assert faults.keys() == {("loss", "dims"), ("loss", "loss", "margni"), ("loss", "loss", "soft")}
    assert "did you mean 'margin'?" in faults["loss", "loss", "margni"]
    with pytest.raises(TypeError, match=r"(?s)dims: .*loss\.margni: .*loss\.soft: "):
        build_component("loss", choice)


def test_a_value_is_refused_when_a_component_is_built_from_python():
    with pytest.raises(TypeError, match="scale: Expected a number greater than 0, got 'high'"):
        build_component("loss", {"name": "multiple-negatives-ranking", "scale": "high"})


@pytest.mark.parametrize("record", registry.components(), ids=lambda record: record.id)
def test_the_defaults_of_every_component_are_what_its_annotations_allow(record):
    if record.distribution == "local":
        pytest.skip("registered by another test")
    try:
        component = registry.load(record.kind, record.id)
    except MissingComponentError as error:
        pytest.skip(str(error))
    for argument in arguments_of(component).values():
        assert type_in_words(argument.annotation)
        if not argument.is_required:
            assert value_fault(argument.annotation, argument.default) == ""


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("tripplet", ["triplet", "circle"], "triplet"),
        ("warmup", ["warm_up"], "warm_up"),
        ("MultipleNegativesRanking", ["multiple-negatives-ranking", "triplet"],
         "multiple-negatives-ranking"),
        ("TripletLoss", ["triplet", "circle"], "triplet"),
        ("linear_projection", ["linear-projection"], "linear-projection"),
        ("TRIPLET", ["triplet"], "triplet"),
        ("cos", ["cosine", "linear"], "cosine"),
    ],
)  # fmt: skip
def test_the_nearest_name_is_found(name, known, expected):
    assert nearest(name, known)[0] == expected


def test_nothing_is_suggested_where_nothing_is_near():
    assert nearest("zebra", ["triplet", "circle"]) == []
    message = unknown_name("There is no loss", "zebra", ["triplet"], known_as="Choose one of")
    assert message == "There is no loss 'zebra'. Choose one of: triplet."
