"""Components as data: the id of the class and a configuration, for components inside of others."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, Protocol

from quaterion_core.plugins import ComponentKind, is_id, registry
from quaterion_core.storage import NotSavableError
from quaterion_core.utils.config_migration import VERSION_KEY, migrated, version_entry

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z0-9]+")
_being_saved: Final[ContextVar[dict[str, type[Any]] | None]] = ContextVar(
    "being_saved", default=None
)
_saved_to: Final[dict[str, dict[str, type[Any]]]] = {}
"""Unregistered classes by id, by the folder to which this process saved them."""


class Configurable(Protocol):
    """Interface of a component that can be described: a configuration that rebuilds it."""

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this component, as JSON values."""


def component_id(kind: ComponentKind | str, cls: type[Any]) -> str:
    """Return the id that a component is saved under.

    Args:
        kind: ``"head"``, ``"encoder"``, ``"loss"``, ...
        cls: The class of the component.

    Returns:
        Its id in the registry. An unregistered class gets one that is made from its name,
        such as ``"local/my-head"`` for ``MyHead``. Another process needs the class to load it.

    Raises:
        NotSavableError: The class is not registered, and no id can be made of its name, or
            another class that is being saved has the same one.

    Example:
        >>> class BestHeadOf2024: ...
        >>> component_id("head", BestHeadOf2024)
        'local/best-head-of2024'
    """
    registered = registry.id_of(kind, cls)
    if registered is not None:
        return registered
    local = "local/" + "-".join(_WORDS.findall(cls.__name__)).lower()
    if not is_id(local):
        raise NotSavableError(
            f"No id can be made of the name of the class {cls.__name__}. Register it: "
            f'@{ComponentKind(kind).decorator}("my-{ComponentKind(kind).value}").'
        )
    named = _being_saved.get()
    if named is not None and named.setdefault(local, cls) is not cls:
        raise NotSavableError(
            f"Two classes of this model would be saved as {local!r}: {named[local]!r} and {cls!r}. "
            f"Rename one of them, or register it: @register_{ComponentKind(kind).value}(...)."
        )
    return local


@contextmanager
def remembering_classes(folder: str | Path) -> Iterator[None]:
    """Remember the unregistered classes that are saved to a folder inside a ``with`` statement.

    See :func:`remembered_classes`. What is saved as a part of something else belongs to that.
    """
    if _being_saved.get() is not None:
        yield
        return
    named: dict[str, type[Any]] = {}
    token = _being_saved.set(named)
    try:
        yield
    finally:
        _being_saved.reset(token)
    _saved_to[os.path.realpath(folder)] = named


def remembered_classes(folder: str | Path) -> dict[str, type[Any]]:
    """Return the unregistered classes that this process saved to a folder, by id.

    A process that saves a component may load it again without stating its class. The folder
    can name those classes alone, and no other process knows them. A class that was defined again
    in the meantime, as in a notebook, is left out, since it is unclear which one is meant.
    """
    try:
        saved = _saved_to.get(os.path.realpath(folder), {})
    except ValueError:  # such as a null character; explained when the folder is opened
        return {}
    return {name: cls for name, cls in saved.items() if _is_current(cls)}


def _is_current(cls: type[Any]) -> bool:
    """Return whether a class is what its name refers to in its module, as far as known."""
    value: Any = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        value = getattr(value, name, None)
    return value is None or value is cls


def describe(kind: ComponentKind | str, component: Configurable) -> dict[str, Any]:
    """Describe a component by its id and its configuration, for the one that owns it.

    Args:
        kind: ``"head"``, ``"encoder"``, ``"loss"``, ...
        component: An instance.

    Returns:
        ``{"component": id, "config": configuration}``, and ``config_version`` unless it is 1.
        Weights are not part of it.
    """
    return {
        "component": component_id(kind, type(component)),
        "config": component.get_config_dict(),
        **version_entry(type(component)),
    }


def rebuild(kind: ComponentKind | str, description: dict[str, Any]) -> Any:
    """Build a component, with new weights, from what :func:`describe` returned.

    Args:
        kind: Kind of the component; only this kind is looked up in the registry.
        description: Names a component by its id; it cannot name code.

    Raises:
        ValueError: The description is malformed.
        MissingComponentError: There is no component of that kind and id.
    """
    name, config = description.get("component"), description.get("config")
    if not isinstance(name, str) or not is_id(name) or not isinstance(config, dict):
        raise ValueError(
            "Expected a description of a component, with its id as 'component', such as "
            "'quaterion-core/gated', and its arguments as 'config', got "
            f"{description!r:.200}."
        )
    config = migrated(
        ComponentKind(kind).value, name, config, description.get(VERSION_KEY, 1), "The description"
    )
    return registry.load(kind, name).from_config(config)
