"""Building components from a registered name and its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias

from quaterion_core.plugins import registry

ComponentChoice: TypeAlias = str | Mapping[str, Any]
"""A registered name, or a mapping of ``name`` and the component's arguments."""


def split_choice(kind: str, choice: object) -> tuple[str, dict[str, Any]]:
    """Return the name and the arguments of a choice.

    Raises:
        TypeError: It is neither a name nor a mapping with a ``name``.

    Example:
        >>> split_choice("loss", {"name": "triplet", "margin": 0.3})
        ('triplet', {'margin': 0.3})
    """
    if isinstance(choice, str):
        return choice, {}
    if isinstance(choice, Mapping) and isinstance(choice.get("name"), str):
        return choice["name"], {key: value for key, value in choice.items() if key != "name"}
    raise TypeError(
        f"A {kind} is chosen by its name, such as 'my-{kind}', or by a mapping with its name and "
        f"arguments, such as {{'name': 'my-{kind}', ...}}, but got {choice!r:.80}."
    )


def component_class(kind: str, choice: object) -> type[Any]:
    """Return the class that a choice names, after a check of the names of its arguments.

    Raises:
        MissingComponentError: There is no such component.
        TypeError: An argument has a name that the component does not know.
    """
    name, arguments = split_choice(kind, choice)
    cls = registry.load(kind, name)
    known = _parameters(cls)
    for argument in arguments:
        if argument not in known:
            nearest = get_close_matches(argument, known, n=1)
            hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
            raise TypeError(
                f"The {kind} {name!r} has no argument {argument!r}. {hint}"
                f"It takes: {', '.join(known) or 'no arguments'}."
            )
    for argument, inner_kind in _component_arguments(cls).items():
        if isinstance(arguments.get(argument), (str, Mapping)):
            component_class(inner_kind, arguments[argument])
    return cls


def build_component(
    kind: str,
    choice: object,
    *,
    provided: Mapping[str, Callable[[], Any]] | None = None,
    objects: Iterable[Any] | None = None,
) -> Any:
    """Build a component from a choice.

    Args:
        kind: ``encoder``, ``head``, ``loss``, ``metric`` or ``dataset``.
        choice: A name or a mapping of a name and arguments. Anything else counts as built already
            and is returned as it is.
        provided: Values that the surroundings know, by argument name, as functions that are
            called only if the component takes such an argument and the choice does not give it.
        objects: Raw training objects, for encoders that learn from them before training.

    Raises:
        MissingComponentError: There is no such component.
        TypeError: An argument is unknown or missing.
    """
    if not isinstance(choice, (str, Mapping)):
        return choice
    name, arguments = split_choice(kind, choice)
    cls = component_class(kind, choice)
    known = _parameters(cls)
    for argument, value in (provided or {}).items():
        if argument in known and argument not in arguments:
            arguments[argument] = value()
    missing = [
        argument
        for argument, parameter in known.items()
        if parameter.default is parameter.empty and argument not in arguments
    ]
    if missing:
        raise TypeError(
            f"The {kind} {name!r} needs {', '.join(map(repr, missing))}. Give "
            f"{{'name': {name!r}, {', '.join(f'{argument!r}: ...' for argument in missing)}}}."
        )
    if kind == "encoder":  # builds the encoders in it itself: they learn from the objects too
        return cls.from_data([] if objects is None else objects, **arguments)
    for argument, inner_kind in _component_arguments(cls).items():
        arguments[argument] = build_component(inner_kind, arguments[argument], provided=provided)
    return cls.from_config(arguments)


def _component_arguments(cls: type[Any]) -> Mapping[str, str]:
    """Return which arguments of a component are components themselves, and of what kind."""
    declared: Mapping[str, str] = getattr(cls, "component_arguments", {})
    return declared


def _parameters(cls: type[Any]) -> dict[str, inspect.Parameter]:
    """Return the arguments by which a component is chosen.

    They are those of the constructor, or of ``from_data`` where an encoder has one of its own.
    """
    from_data = getattr(cls, "from_data", None)
    parameters = dict(inspect.signature(from_data).parameters) if from_data else {}
    parameters.pop("objects", None)
    if not parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        parameters = dict(inspect.signature(cls).parameters)
    return {
        name: parameter
        for name, parameter in parameters.items()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }
