"""Which of some keyword arguments a function takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

ValueT = TypeVar("ValueT")


def accepted(function: Callable[..., Any], arguments: Mapping[str, ValueT]) -> dict[str, ValueT]:
    """Return the keyword arguments that a function takes; all of them if it takes any.

    Example:
        >>> accepted(lambda embeddings, groups: None, {"groups": 1, "objects": 2})
        {'groups': 1}
        >>> accepted(lambda embeddings, **kwargs: None, {"groups": 1, "objects": 2})
        {'groups': 1, 'objects': 2}
    """
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(arguments)
    return {name: value for name, value in arguments.items() if name in parameters}


def names_argument(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has a parameter of that name.

    Example:
        >>> names_argument(lambda embeddings, **kwargs: None, "objects")
        False
    """
    return name in inspect.signature(function).parameters
