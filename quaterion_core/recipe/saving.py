"""The recipe that is saved with a model: with full ids and absolute paths."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from quaterion_core.components import split_choice
from quaterion_core.plugins import registry
from quaterion_core.recipe.paths import resolve, spelled_out
from quaterion_core.recipe.settings import PARTS_OF_TRAINING, Recipe, component_choices


def saved_recipe(recipe: Recipe) -> str:
    """Return a recipe as YAML that means the same wherever it lies and whatever is installed.

    Components have their full ids, and paths are absolute. Comments are kept.
    """
    yaml = YAML()
    yaml.width = 4096  # lines stay as they were
    content: Any = (
        yaml.load(recipe._text)
        if recipe._text is not None
        else recipe.model_dump(exclude_unset=True)
    )
    for place, kind, choice in component_choices(content):
        *above, key = place
        holder = content
        for step in above:
            holder = holder[step]
        holder[key] = _merged(choice, spelled_out(kind, choice, recipe.folder, full_ids=True))
    for key, kind in PARTS_OF_TRAINING.items():
        if content.get(key) is not None:
            name, arguments = split_choice(kind, content[key])
            name = registry.find(kind, name).id
            choice = {"name": name, **arguments} if arguments else name
            content[key] = _merged(content[key], choice)
    _resolve_key(content.get("cache"), "save_dir", recipe.folder)
    _resolve_key(content.get("trainer"), "default_root_dir", recipe.folder)
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def _resolve_key(section: Any, key: str, folder: Path) -> None:
    if isinstance(section, Mapping) and isinstance(section.get(key), str):
        section[key] = resolve(section[key], folder)  # type: ignore[index]  # a dict, with comments


def _merged(written: Any, new: Any) -> Any:
    """Put new values into what was written, so that comments and style are kept."""
    if isinstance(written, dict) and isinstance(new, Mapping):
        for key, value in new.items():
            written[key] = _merged(written.get(key), value)
        return written
    return written if written == new else new
