"""The arguments of a component, as declared by its constructor."""

from __future__ import annotations

import builtins
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

REQUIRED: Final = inspect.Parameter.empty
"""The ``default`` of a required argument."""


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a constructor or a function.

    Attributes:
        name: Its name.
        annotation: Its type; ``Any`` if none is declared or it cannot be resolved.
        default: Its default; :data:`REQUIRED` if it has none.
    """

    name: str
    annotation: Any
    default: Any = REQUIRED

    @property
    def is_required(self) -> bool:
        """Whether the argument has no default."""
        return self.default is REQUIRED


def arguments_of(cls: type[Any]) -> dict[str, Argument]:
    """Return the arguments that a choice of a component may have, by name.

    They are those of the constructor, or of ``from_data`` if an encoder overrides it.

    Example:
        >>> class Scaled:
        ...     def __init__(self, scale: float = 20.0): ...
        >>> arguments_of(Scaled)
        {'scale': Argument(name='scale', annotation=<class 'float'>, default=20.0)}
    """
    from_data = getattr(cls, "from_data", None)
    if from_data is not None:
        parameters = inspect.signature(from_data).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            own = callable_arguments(from_data)
            own.pop("objects", None)
            if own:
                return own
    return callable_arguments(cls)


def callable_arguments(function: Callable[..., Any]) -> dict[str, Argument]:
    """Return the arguments of a function, or of the constructor of a class, by name.

    ``*args`` and ``**kwargs`` are left out, since they declare no names to check.
    """
    parameters = inspect.signature(function).parameters
    names = _namespace(function)
    return {
        name: Argument(name, resolve_annotation(parameter.annotation, names), parameter.default)
        for name, parameter in parameters.items()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }


def component_arguments(cls: type[Any]) -> Mapping[str, str]:
    """Return the arguments of a component that are components themselves, with their kinds."""
    declared: Mapping[str, str] = getattr(cls, "component_arguments", {})
    return declared


class _Namespace(dict[str, Any]):
    """The names of a module; names imported only for type checking resolve to ``Any``."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, Any)


def _namespace(function: Callable[..., Any]) -> _Namespace:
    """Return the names that the annotations of a function, or of a constructor, can use."""
    if isinstance(function, type):
        definition = next((c for c in function.__mro__ if "__init__" in vars(c)), function)
        function = vars(definition).get("__init__", function)
    function = inspect.unwrap(getattr(function, "__func__", function))
    module = sys.modules.get(getattr(function, "__module__", "") or "")
    return _Namespace({**vars(typing), **(vars(module) if module is not None else {})})


def resolve_annotation(annotation: Any, names: dict[str, Any]) -> Any:
    """Return the type that an annotation states.

    Args:
        annotation: The annotation, which may be its source code.
        names: The names that the source code can use.

    Returns:
        The type; ``Any`` if there is none or it cannot be resolved.
    """
    if annotation is inspect.Parameter.empty:
        return Any
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, {"__builtins__": {}}, names)
    except Exception:  # an annotation may be anything; unresolved ones are not checked
        return Any
