"""Parsing of YAML in bounded time and memory, and the lines of its entries."""

from __future__ import annotations

from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from quaterion_core.recipe.faults import Place, RecipeError

_DEEPEST: Final = 50
_MOST_VALUES: Final = 100_000


def parse_yaml(text: str, name: str) -> Any:
    """Parse YAML: plain data, without tags that name classes.

    Aliases are written out when they are counted, so that nested aliases cannot describe more
    values than there is memory for.

    Args:
        text: The YAML.
        name: Name of its source in errors.

    Raises:
        RecipeError: It is not valid YAML, is nested too deeply, has more than 100,000 values, or
            has an alias within what it stands for.

    Example:
        >>> parse_yaml("epochs: 3", "recipe.yaml")
        {'epochs': 3}
        >>> parse_yaml("epochs: &all [*all]", "recipe.yaml")
        Traceback (most recent call last):
        quaterion_core.recipe.faults.RecipeError: recipe.yaml has an alias within what it stands
        for, in line 1.
    """
    root = compose(text, name)
    if root is not None:
        _count(root, name, _DEEPEST, {})
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as error:  # ValueError for a date or a number
        raise _invalid(name, error) from None


def compose(text: str, name: str) -> Node | None:
    """Parse YAML into nodes, which have lines; ``None`` for an empty text.

    Raises:
        RecipeError: It is not valid YAML, or is nested too deeply.
    """
    try:
        root: Node | None = YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise _invalid(name, error) from None
    return root


def line_of(place: Place, root: Node | None) -> int | None:
    """Return the line of a place in YAML, or of the nearest place above it."""
    line: int | None = None
    for key in place:
        if isinstance(root, MappingNode):
            inner = next((pair for pair in root.value if pair[0].value == str(key)), None)
        elif isinstance(root, SequenceNode) and isinstance(key, int) and key < len(root.value):
            inner = (root.value[key],) * 2
        else:
            inner = None
        if inner is None:
            break
        line, root = inner[0].start_mark.line + 1, inner[1]
    return line


def _count(node: Node, name: str, levels: int, counted: dict[Node, int]) -> int:
    """Count the values of a node, aliases written out; ``counted`` has 0 for those it is within."""
    if node in counted:
        if not counted[node]:
            line = node.start_mark.line + 1
            raise RecipeError(f"{name} has an alias within what it stands for, in line {line}.")
        return counted[node]
    if levels < 0:
        raise RecipeError(f"{name} is nested more than {_DEEPEST} levels deep.")
    counted[node] = 0
    inner: list[Node] = []
    if isinstance(node, MappingNode):
        inner = [part for pair in node.value for part in pair]
    elif isinstance(node, SequenceNode):
        inner = node.value
    number = 1 + sum(_count(part, name, levels - 1, counted) for part in inner)
    if number > _MOST_VALUES:
        raise RecipeError(f"{name} has more than {_MOST_VALUES:,} values, aliases written out.")
    counted[node] = number
    return number


def _invalid(name: str, error: Exception) -> RecipeError:
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
    return RecipeError(f"{name} is not valid YAML: {reason}")
