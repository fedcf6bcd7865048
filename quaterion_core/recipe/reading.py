"""Reading a recipe from a file, a text or a mapping."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, get_args

from pydantic import BaseModel

from quaterion_core.components import Fault, constrained, value_fault
from quaterion_core.components.validation import is_class
from quaterion_core.plugins.nearest import unknown_name
from quaterion_core.recipe.faults import Faults, Place, RecipeError, recipe_error
from quaterion_core.recipe.settings import Recipe
from quaterion_core.recipe.yaml_text import compose, line_of, parse_yaml

RecipeLike: TypeAlias = "Recipe | str | os.PathLike[str] | Mapping[str, Any]"
"""A recipe, or its source: the path of a file, YAML text, or a mapping."""

LARGEST_RECIPE: Final = 1 << 20
"""The largest size of the file of a recipe, in bytes."""

_STAND_IN: Final = "-"
"""Placeholder for a component that is missing or faulty, so that the rest can be checked."""

_RECIPES: Final = frozenset({"", ".yaml", ".yml", ".json"})
"""Suffixes of files of recipes; JSON is YAML, too."""

_REQUIRED: Final = ("data", "loss")
_CHOICES: Final = frozenset(
    {"data", "encoder", "head", "loss", "optimizer", "schedule", "batch_sampler"}
)
"""Keys that choose a single component."""


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a recipe.

    Attributes:
        name: Name in messages: the path, or "The recipe".
        content: The content, before it is checked.
        folder: The base folder of relative paths.
        text: The YAML; ``None`` for a mapping.
    """

    name: str
    content: dict[str, Any]
    folder: Path
    text: str | None = None

    def error(self, faults: list[Fault]) -> RecipeError:
        """Return the error that lists faults, with their lines if there are any."""
        root = None if self.text is None else compose(self.text, self.name)
        return recipe_error(self.name, faults, lambda place: line_of(place, root))


def open_recipe(recipe: RecipeLike) -> Source:
    """Return the content of a recipe, before it is checked.

    Args:
        recipe: The path of a YAML file; YAML text, which has a line break or starts with a brace;
            or a mapping. Relative paths in it are relative to the folder of the file, or else to
            the current folder.

    Raises:
        RecipeError: The file cannot be read, or does not contain a mapping of plain data.
    """
    if isinstance(recipe, Recipe):
        content = recipe.model_dump(exclude_unset=True)
        return Source(recipe._name, content, recipe._folder, recipe._text)
    if isinstance(recipe, Mapping):
        faults = Faults()
        content = _plain(recipe, (), faults)
        source = Source("The recipe", content, Path.cwd())
        if faults.found:
            raise source.error(faults.found)
        return source
    if isinstance(recipe, str) and ("\n" in recipe or recipe.lstrip().startswith("{")):
        return _parsed(recipe, "The recipe", Path.cwd())
    if not isinstance(recipe, (str, os.PathLike)):
        raise RecipeError(
            "Expected a recipe as the path of a YAML file, as YAML text or as a mapping, got "
            f"{recipe!r:.80}."
        )
    path = Path(recipe)
    if path.suffix.lower() not in _RECIPES and _holds_data(path):
        raise RecipeError(
            f"Expected a recipe, got the data {path}. Name them in a recipe, or find a model "
            f"without one: quaterion tune {path} --output DIR, with quaterion-tune."
        )
    try:
        text = _read(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(
            f"Expected {path} to be a text file in UTF-8, but it is not: {error.reason} at byte "
            f"{error.start}."
        ) from None
    return _parsed(text, str(path), path.absolute().parent)


def _holds_data(path: Path) -> bool:
    from quaterion_core.dataset.file_kinds import READERS, suffix_of  # imports torch

    return suffix_of(path) in READERS


def parse_recipe(source: Source) -> Recipe:
    """Check the keys and the values of a recipe, without its components.

    Raises:
        RecipeError: The message lists all faults.
    """
    recipe, faults = check_settings(source)
    if faults:
        raise source.error(faults)
    return recipe


def read_recipe(recipe: RecipeLike) -> Recipe:
    """Read a recipe and check it: keys, values, components and their arguments.

    Data, devices and folders are checked only by :func:`~quaterion_core.recipe.check_recipe`.

    Args:
        recipe: The path of a YAML file, YAML text, or a mapping.

    Raises:
        RecipeError: The message lists all faults, each with its place and what was expected.
    """
    from quaterion_core.recipe.checking import check_components

    source = open_recipe(recipe)
    settings, faults = check_settings(source)
    faults += check_components(source.content, faults).faults
    if faults:
        raise source.error(faults)
    return settings


def check_settings(source: Source) -> tuple[Recipe, list[Fault]]:
    """Check the keys and the values of a recipe, but not its components.

    Returns:
        The recipe and its faults. Faulty keys have their defaults in it, so that everything else
        can be checked, too.
    """
    faults = list(_section_faults(Recipe, source.content))
    wrong = {fault.place[0] for fault in faults}
    content = {key: value for key, value in source.content.items() if key not in wrong}
    for key, message in _misfits(source.content):
        faults.append(Fault((key,), message, ValueError))
        content.pop(key, None)
    for key in _REQUIRED:
        content.setdefault(key, _STAND_IN)
    if "encoders" not in content:
        content.setdefault("encoder", _STAND_IN)
    choices = {key: value for key, value in content.items() if key in _CHOICES}
    for key, value in choices.items():  # invalid choices are reported by the check of components
        if not isinstance(value, (str, Mapping, type(None))):
            content[key] = _STAND_IN
    recipe = Recipe.model_validate(content)
    recipe._folder, recipe._text, recipe._name = source.folder, source.text, source.name
    return recipe, faults


def _section_faults(
    section: type[BaseModel], content: Mapping[str, Any], place: Place = ()
) -> Iterator[Fault]:
    """Yield unknown and missing keys of a section, and invalid values."""
    fields = section.model_fields
    for key, value in content.items():
        where = (*place, key)
        if key not in fields:
            owner = ".".join(map(str, place)) or "A recipe"
            message = unknown_name(f"{owner} has no key", key, fields, known_as="Its keys")
            yield Fault(where, message, ValueError)
            continue
        if not place and key in _CHOICES:
            continue
        inner = _section_of(fields[key].annotation)
        if inner is not None and isinstance(value, Mapping):
            yield from _section_faults(inner, value, where)
        elif inner is not None and value is not None:
            keys = ", ".join(inner.model_fields)
            yield Fault(where, f"Expected a mapping of {keys}, got {value!r:.80}.", ValueError)
        elif inner is None:
            annotation = constrained(fields[key].annotation, fields[key].metadata)
            if message := value_fault(annotation, value):
                yield Fault(where, message, ValueError)
        elif key == "splits":
            yield Fault(where, "Expected a mapping of train, validation, reference, got null.")


def _misfits(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield keys that are missing or conflict with others, each with a message."""
    for key in _REQUIRED:
        if content.get(key) is None:
            yield key, f"The key {key!r} is missing."
    if (content.get("encoder") is None) == (content.get("encoders") is None):
        given = "neither" if content.get("encoder") is None else "both"
        yield "encoders", f"Expected either 'encoder' or 'encoders', got {given}."
    elif not content.get("encoders", True):
        yield "encoders", "Expected at least one encoder, got none."
    loader, trainer = content.get("loader"), content.get("trainer")
    if isinstance(loader, Mapping) and "batch_size" in loader:
        yield "loader", "'batch_size' belongs to the top level of the recipe, not to 'loader'."
    if isinstance(trainer, Mapping) and "max_epochs" in trainer and "epochs" in content:
        yield "trainer", "'epochs' and 'trainer.max_epochs' are the same setting. Set one of them."


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section of a key, if it has one."""
    for member in (annotation, *get_args(annotation)):
        if is_class(member) and issubclass(member, BaseModel):
            return member
    return None


def _read(path: Path) -> bytes:
    """Read a file, unless it is a pipe or a device, which may have no end, or is too large."""
    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "a pipe, socket or device"
            raise RecipeError(f"Expected {path} to be a file with a recipe, but it is {kind}.")
        with path.open("rb") as file:
            content = file.read(LARGEST_RECIPE + 1)
    except (OSError, ValueError) as error:  # ValueError for a null character in the path
        if isinstance(error, RecipeError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise RecipeError(f"{path} cannot be read: {reason}.") from None
    if len(content) > LARGEST_RECIPE:
        raise RecipeError(
            f"{path} has more than {LARGEST_RECIPE:,} bytes, the most that is read of a recipe. "
            "Keep data in files of their own, and name them under data."
        )
    return content


def _parsed(text: str, name: str, folder: Path) -> Source:
    """Return the source of a recipe in YAML.

    Raises:
        RecipeError: It is not valid YAML, or not a mapping of plain data.
    """
    content = parse_yaml(text, name)
    if not isinstance(content, dict):
        raise RecipeError(
            f"{name} holds no recipe: expected keys such as data, encoder, loss, got "
            f"{content!r:.60}."
        )
    faults = Faults()
    source = Source(name, _plain(content, (), faults), folder, text)
    if faults.found:
        raise source.error(faults.found)
    return source


def _plain(value: Any, place: Place, faults: Faults) -> Any:
    """Convert a value of a mapping to plain data."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item, (*place, str(key)), faults) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, (*place, number), faults) for number, item in enumerate(value)]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a scalar of NumPy or torch
        value = value.item()
    if value is not None and not isinstance(value, (str, bool, int, float)):
        faults.add(
            [
                Fault(
                    place,
                    "Expected plain data (text, a number, true, false, null, a list or a mapping), "
                    f"got {value!r:.80}. Put a date in quotes.",
                )
            ]
        )
    return value
