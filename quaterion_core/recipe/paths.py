"""Paths in a recipe: relative to the folder that it lies in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quaterion_core.components import arguments_of, component_arguments, split_choice
from quaterion_core.components.validation import mentions_path
from quaterion_core.plugins import registry


def resolve(path: str, folder: Path) -> str:
    """Return a path of a recipe as an absolute one, with its dots left as they are."""
    return str(folder / Path(path).expanduser())


def spelled_out(kind: str, choice: Any, folder: Path, *, full_ids: bool = False) -> Any:
    """Return a choice of a component in which all paths are absolute.

    Which arguments are paths is told by their annotations: those that mention ``Path``. An encoder
    may also name a model on a hub, and so may the arguments that a dataset lists as
    ``hub_arguments``: such a value is a path only where there is something at it.

    Args:
        kind: The kind of component.
        choice: The choice; it is not changed.
        folder: What relative paths are relative to.
        full_ids: Whether to write out ids in full, such as ``quaterion-core/triplet``.
    """
    name, given = split_choice(kind, choice)
    cls = registry.load(kind, name)
    inner = component_arguments(cls)
    known = arguments_of(cls)
    on_hub = known if kind == "encoder" else getattr(cls, "hub_arguments", ())
    for key, value in given.items():
        if key in inner and isinstance(value, (str, Mapping)):
            given[key] = spelled_out(inner[key], value, folder, full_ids=full_ids)
        elif key in known and mentions_path(known[key].annotation):
            given[key] = _resolved(value, folder, must_exist=key in on_hub)
    name = registry.find(kind, name).id if full_ids else name
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
    """Tell whether something is at a path, or matches it where it has wildcards."""
    if any(wildcard in path for wildcard in "*?["):
        anchor = Path(path).anchor
        return any(True for _ in Path(anchor).glob(path.removeprefix(anchor)))
    return Path(path).exists()
