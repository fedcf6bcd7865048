"""Components as data: the id of the class and a configuration, for components inside of others."""

from __future__ import annotations

import re
from typing import Any, Final, Protocol

from quaterion_core.plugins import ComponentKind, is_id, registry
from quaterion_core.storage import NotSavableError

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z0-9]+")


class Configurable(Protocol):
    """What a component needs to be described: a configuration that builds it again."""

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that build this component again, as JSON values."""


def component_id(kind: ComponentKind | str, cls: type[Any]) -> str:
    """Return the id that a component is saved under.

    Args:
        kind: ``"head"``, ``"encoder"``, ``"loss"``, ...
        cls: The class of the component.

    Returns:
        Its id in the registry. A class that nobody registered gets one that is made of its name,
        such as ``"local/my-head"`` for ``MyHead``; who loads it has to give the class.

    Raises:
        NotSavableError: The class is not registered, and no id can be made of its name.

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
    return local


def describe(kind: ComponentKind | str, component: Configurable) -> dict[str, Any]:
    """Describe a component by its id and its configuration, for the one that owns it.

    Args:
        kind: ``"head"``, ``"encoder"``, ``"loss"``, ...
        component: An instance.

    Returns:
        ``{"component": id, "config": configuration}``. Weights are not part of it.
    """
    return {
        "component": component_id(kind, type(component)),
        "config": component.get_config_dict(),
    }


def rebuild(kind: ComponentKind | str, description: dict[str, Any]) -> Any:
    """Build a component, with new weights, from what :func:`describe` returned.

    Args:
        kind: What the component has to be: the registry is asked for this kind only.
        description: Names a component by its id; it cannot name code.

    Raises:
        ValueError: The description is malformed.
        MissingComponentError: There is no component of that kind and id.
    """
    name, config = description.get("component"), description.get("config")
    if not isinstance(name, str) or not is_id(name) or not isinstance(config, dict):
        raise ValueError(
            f"{description!r:.200} does not describe a component: 'component' should be its id, "
            "such as 'quaterion-core/gated', and 'config' its arguments."
        )
    return registry.load(kind, name).from_config(config)
