"""Building components from a registered name and its arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from quaterion_core.components.arguments import arguments_of, component_arguments
from quaterion_core.components.choices import split_choice
from quaterion_core.components.validation import component_faults, raise_faults
from quaterion_core.plugins import (
    ComponentKind,
    ComponentRecord,
    MissingComponentError,
    MissingReason,
    is_id,
    registry,
)
from quaterion_core.plugins.nearest import unknown_name


def named_class(kind: str, name: str) -> type[Any]:
    """Return the class of a kind that is registered under a name.

    Raises:
        ValueError: There is no component of that name; the message suggests the nearest name.
        PluginError: The component cannot be used; the message gives the reason.

    Example:
        >>> named_class("optimizer", "addam")
        Traceback (most recent call last):
        ValueError: There is no optimizer 'addam': did you mean 'adam'? Choose one of: adagrad, ...
    """
    named_record(kind, name)
    return registry.load(kind, name)


def named_record(kind: str, name: str) -> ComponentRecord:
    """Return the record of a component without importing it.

    Raises:
        ValueError: There is no component of that name; the message suggests the nearest name.
        PluginError: The component cannot be used; the message gives the reason.
    """
    try:
        return registry.find(kind, name)
    except MissingComponentError as error:
        if error.missing[0].reason is not MissingReason.NO_SUCH_NAME or is_id(name):
            raise
        known = [record.name for record in registry.components(kind)]
        statement = f"There is no {ComponentKind(kind).noun}"
        raise ValueError(unknown_name(statement, name, known, known_as="Choose one of")) from None


def component_class(kind: str, choice: object) -> type[Any]:
    """Return the class that a choice names, after checking the arguments.

    Raises:
        MissingComponentError: There is no such component.
        TypeError: An argument is unknown, or its value is of the wrong type; the message lists
            all faults.
    """
    name, _ = split_choice(kind, choice)
    cls = registry.load(kind, name)
    raise_faults(f"The {kind} {name!r}", component_faults(kind, choice))
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
        kind: A kind of component: ``encoder``, ``head``, ``loss``, ``metric``, ``dataset``, ...
        choice: A name or a mapping of a name and arguments. Anything else is taken as a component
            that is already built, and returned as it is.
        provided: Functions that return values of arguments, by argument name. They are called only
            if the component takes such an argument and the choice does not set it.
        objects: Raw training objects, for encoders that learn from them before training.

    Raises:
        MissingComponentError: There is no such component.
        TypeError: An argument is unknown or missing, or its value is of the wrong type.
    """
    if isinstance(choice, type):
        raise TypeError(
            f"Expected the {kind} itself or its name, got the class {choice.__name__}. Pass an "
            f"instance: {choice.__name__}(...)."
        )
    if not isinstance(choice, (str, Mapping)):
        return choice
    name, arguments = split_choice(kind, choice)
    cls = component_class(kind, choice)
    known = arguments_of(cls)
    for argument, value in (provided or {}).items():
        if argument in known and argument not in arguments:
            arguments[argument] = value()
    missing = missing_arguments(cls, arguments)
    if missing:
        raise TypeError(
            f"The {kind} {name!r} needs {', '.join(map(repr, missing))}. Pass "
            f"{{'name': {name!r}, {', '.join(f'{argument!r}: ...' for argument in missing)}}}."
        )
    if kind == "encoder":  # builds nested encoders itself: they learn from the objects, too
        return cls.from_data([] if objects is None else objects, **arguments)
    for argument, inner_kind in component_arguments(cls).items():
        if argument in arguments:
            arguments[argument] = build_component(
                inner_kind, arguments[argument], provided=provided
            )
    # A class of another library, such as a transform, has no configuration of its own.
    return cls.from_config(arguments) if hasattr(cls, "from_config") else cls(**arguments)


def missing_arguments(cls: type[Any], given: Iterable[str]) -> list[str]:
    """Return the required arguments of a component that are not given."""
    names = set(given)
    return [
        name
        for name, argument in arguments_of(cls).items()
        if argument.is_required and name not in names
    ]
