"""Settings of the plugins of a training run, checked before the plugins are activated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from quaterion_core.components.arguments import Argument, callable_arguments
from quaterion_core.components.validation import (
    Fault,
    argument_faults,
    raise_faults,
    type_in_words,
)
from quaterion_core.plugins import ActivationError
from quaterion_core.plugins.lifecycle import run_hooks_classes, split_plugin, takes_no_settings


def plugin_settings(name: str) -> dict[str, Argument]:
    """Return the settings that a plugin takes, by name.

    Raises:
        ActivationError: There is no such plugin, or it is left out.
    """
    return {
        key: argument
        for cls in run_hooks_classes(name)
        for key, argument in callable_arguments(cls).items()
    }


def plugin_faults(choice: object, place: tuple[str | int, ...] = ()) -> Iterator[Fault]:
    """Yield all faults of a plugin that is named with or without settings.

    Args:
        choice: A name, or a mapping of ``name`` and settings. Nothing else is checked.
        place: The keys that lead to it.

    Example:
        >>> print(*plugin_faults({"x": 1}))
        Expected the name of a plugin, or a mapping of its name and settings, such as
        {'name': 'acme', 'x': 1}, got {'x': 1}, which has no 'name'.
    """
    if not isinstance(choice, (str, Mapping)):
        return
    try:
        name, settings = split_plugin(choice)
        known = plugin_settings(name)
    except ActivationError as error:
        yield Fault(place, str(error), ValueError)
        return
    if settings and not known:
        yield Fault(place, takes_no_settings(name, settings), ValueError)
        return
    owner = f"The plugin {name!r}"
    faults = argument_faults(owner, known, settings, place)
    for fault in faults:
        yield Fault(fault.place, fault.message.replace("no argument", "no setting"), fault.error)
    for key, argument in known.items():
        if argument.is_required and key not in settings:
            expected = type_in_words(argument.annotation)
            yield Fault(place, f"{owner} needs the setting {key!r}: expected {expected}.")


def check_plugins(plugins: Any) -> None:
    """Check the settings of plugins that are named.

    Raises:
        TypeError: A setting is unknown or missing, or of the wrong type.
        ValueError: A plugin takes no settings, or there is no such plugin.
    """
    if isinstance(plugins, Iterable) and not isinstance(plugins, (str, Mapping)):
        for plugin in plugins:
            if isinstance(plugin, Mapping):
                raise_faults(f"The plugin {plugin.get('name')!r}", plugin_faults(plugin))
