"""Resolution of a recipe: full component ids and absolute paths."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import copy
from pathlib import Path
from typing import Any, Final

from quaterion_core.components import (
    arguments_of,
    component_arguments,
    plugin_settings,
    split_choice,
)
from quaterion_core.components.validation import mentions_path
from quaterion_core.plugins import registry
from quaterion_core.recipe.settings import (
    PARTS_OF_TRAINING,
    Recipe,
    component_choices,
    trainer_choices,
)

_PATHS: Final = frozenset({"save_dir"})
"""Arguments that are paths also where a component declares strings, as MLflow's logger does."""


def resolve(path: str, folder: Path) -> str:
    """Return a path of a recipe as an absolute one, without resolving ``..``."""
    return str(folder / Path(path).expanduser())


def resolved(recipe: Recipe, keys: Collection[str] | None = None) -> Recipe:
    """Return a recipe in which components have their full ids and paths are absolute.

    Relative paths are relative to the folder of the recipe.

    Args:
        recipe: The recipe; it is not changed.
        keys: The keys to resolve; by default all keys that are set in the recipe.
    """
    keys = recipe.model_fields_set if keys is None else keys
    stated: Any = {key: copy(getattr(recipe, key)) for key in keys}
    for place, kind, choice in component_choices(stated):
        *above, key = place
        holder = stated[above[0]] if above else stated
        holder[key] = spelled_out(kind, choice, recipe.folder)
    for key, kind in PARTS_OF_TRAINING.items():
        if stated.get(key) is not None:
            name, arguments = split_choice(kind, stated[key])
            name = registry.find(kind, name).id
            stated[key] = {"name": name, **arguments} if arguments else name
    if (cache := stated.get("cache")) is not None and cache.save_dir is not None:
        folder = resolve(cache.save_dir, recipe.folder)
        stated["cache"] = cache.model_copy(update={"save_dir": folder})
    if "trainer" in stated:
        stated["trainer"] = _resolved_trainer(recipe)
    if "plugins" in stated:
        stated["plugins"] = [
            _resolved_plugin(plugin, recipe.folder) for plugin in stated["plugins"]
        ]
    return recipe.model_copy(update=stated)


def _resolved_plugin(plugin: str | dict[str, Any], folder: Path) -> str | dict[str, Any]:
    """Return a plugin with its settings, in which all paths are absolute."""
    if isinstance(plugin, str):
        return plugin
    known = plugin_settings(plugin["name"])
    return {
        key: (
            _resolved(value, folder, must_exist=False)
            if key in known and mentions_path(known[key].annotation)
            else value
        )
        for key, value in plugin.items()
    }


def _resolved_trainer(recipe: Recipe) -> dict[str, Any]:
    """Return the arguments of the trainer with full ids and absolute paths."""
    stated = dict(recipe.trainer)
    for place, kind, choice in trainer_choices(recipe.trainer):
        key, whole = str(place[1]), spelled_out(kind, choice, recipe.folder)
        if len(place) == 2:
            stated[key] = whole
        else:  # one of several
            before = stated[key] if stated[key] is not recipe.trainer[key] else []
            stated[key] = [*before, whole]
    if isinstance(root := stated.get("default_root_dir"), str):
        stated["default_root_dir"] = resolve(root, recipe.folder)
    return stated


def spelled_out(kind: str, choice: Any, folder: Path) -> Any:
    """Return a choice of a component with full ids, in which all paths are absolute.

    Arguments are paths if their annotations contain ``Path``. Those of an encoder, and those that
    a dataset lists as ``hub_arguments``, may also name a model on a hub: such a value is a path
    only if the path exists.

    Args:
        kind: The kind of component.
        choice: The choice; it is not changed.
        folder: The base folder of relative paths.
    """
    name, given = split_choice(kind, choice)
    cls = registry.load(kind, name)
    inner = component_arguments(cls)
    known = arguments_of(cls)
    on_hub = known if kind == "encoder" else getattr(cls, "hub_arguments", ())
    for key, value in given.items():
        if key in inner and isinstance(value, (str, Mapping)):
            given[key] = spelled_out(inner[key], value, folder)
        elif key in known and (key in _PATHS or mentions_path(known[key].annotation)):
            given[key] = _resolved(value, folder, must_exist=key in on_hub)
    name = registry.find(kind, name).id
    return {"name": name, **given} if given else name


def _resolved(value: Any, folder: Path, *, must_exist: bool) -> Any:
    if isinstance(value, Mapping):
        return {k: _resolved(v, folder, must_exist=must_exist) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_resolved(item, folder, must_exist=must_exist) for item in value]
    if not isinstance(value, str) or "://" in value:
        return value
    path = resolve(value, folder)
    return value if must_exist and not _is_there(path) else path


def _is_there(path: str) -> bool:
    """Whether a path exists, or a path with wildcards has a match."""
    if any(wildcard in path for wildcard in "*?["):
        anchor = Path(path).anchor
        return any(True for _ in Path(anchor).glob(path.removeprefix(anchor)))
    return Path(path).exists()
