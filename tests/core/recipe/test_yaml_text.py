import os

import pytest

from quaterion_core.recipe import RecipeError, read_recipe
from quaterion_core.recipe.reading import LARGEST_RECIPE
from quaterion_core.recipe.yaml_text import compose, line_of, parse_yaml

RECIPE = """\
data: {name: jsonl, files: {train: train.jsonl}, obj_a: question, obj_b: answer}
encoder: {name: static, embedding_size: 8}
loss: {name: multiple-negatives-ranking}
"""


def doubled(levels):
    """YAML of few characters, whose last alias stands for 2 ** levels values."""
    lines = [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, levels)]
    return "\n".join(["a0: &a0 [x, x]", *lines])


def test_aliases_may_be_used():
    assert parse_yaml("a: &a [1, 2]\nb: [*a, *a]\nc: {<<: {d: 1}}", "x") == {
        "a": [1, 2],
        "b": [[1, 2], [1, 2]],
        "c": {"d": 1},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (doubled(40), "more than 100,000 values"),
        (f"{doubled(40)}\n{RECIPE}".replace("embedding_size: 8", "length: *a39"), "values"),
        ("a: &a {b: *a}", "alias within what it stands for, in line 1"),
        ("a: " + "[" * 60 + "]" * 60, "levels deep"),
        ("a: " + "[" * 5000 + "]" * 5000, "nested"),
        ("a: 2001-99-99", "not valid YAML: month"),
        ("a: " + "9" * 5000, "not valid YAML"),
        ("a: !!python/object/apply:os.system [id]", "not valid YAML"),
        ("a: 1\na: 2", "not valid YAML"),
    ],
    ids=str.split("aliases in-recipe cycle deep deeper date number code twice"),
)
def test_what_has_no_end_or_is_not_plain_data_is_refused(text, message):
    with pytest.raises(RecipeError, match=message):
        parse_yaml(text, "recipe.yaml")


def test_lines_are_those_of_keys_and_items():
    root = compose("a:\n  b: 1\nc:\n  - 1\n  - d: 2\n", "recipe.yaml")
    places = [("a",), ("a", "b"), ("c", 1), ("c", 1, "d"), ("c", 5), ("e",)]
    assert [line_of(place, root) for place in places] == [1, 2, 5, 5, 3, None]


def test_thousands_of_faults_are_counted_and_the_first_ones_listed():
    with pytest.raises(RecipeError, match=r"5000 faults(.|\n)*line 4, k0: (.|\n)*and 4,900 more"):
        read_recipe(RECIPE + "".join(f"k{n}: 1\n" for n in range(5000)))


def test_keys_that_are_no_text_are_read_as_text():
    with pytest.raises(RecipeError, match="has no argument '1'"):
        read_recipe(RECIPE.replace("embedding_size: 8", "1: 2"))


def test_a_date_is_not_plain_data():
    with pytest.raises(RecipeError, match=r"encoder.length: Expected plain data.*dat.*in quotes"):
        read_recipe(RECIPE.replace("embedding_size: 8", "length: 2024-01-01"))


def test_control_characters_are_printed_as_escapes():
    with pytest.raises(RecipeError) as caught:
        read_recipe(RECIPE + '"\\e[31mred": 1\n')
    assert "\x1b" not in str(caught.value)
    assert r"\x1b[31mred" in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "recipe.yaml")
    with pytest.raises(RecipeError, match="it is a pipe, socket or device"):
        read_recipe(tmp_path / "recipe.yaml")


def test_a_file_that_is_no_recipe_is_not_read_to_its_end(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_bytes(b"")
    os.truncate(file, LARGEST_RECIPE + 1)
    with pytest.raises(RecipeError, match="more than 1,048,576 bytes"):
        read_recipe(file)
    with pytest.raises(RecipeError, match="null"):
        read_recipe("a\0b")
