"""Constructors that check their arguments against their annotations."""

from __future__ import annotations

import inspect
import numbers
import sys
from typing import Any, Final

from typing_extensions import Self

from quaterion_core.components.arguments import callable_arguments
from quaterion_core.components.validation import argument_faults, raise_faults

_CHECKED: Final = (str, numbers.Number, list, tuple)


class _SignatureOfInit:
    """The signature of a class, without ``self``."""

    def __get__(self, instance: object, owner: type[Any]) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        signature = inspect.signature(owner.__init__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])


class CheckedArguments:
    """Base class that checks the arguments of its constructor against their annotations.

    All values of the wrong type are reported at once, as for a component that is chosen by name.
    Only values that a recipe can contain are checked. Ranges, names and other objects are left to
    the constructor; missing and unknown arguments are left to Python.

    Example:
        >>> class Scaled(CheckedArguments):
        ...     def __init__(self, scale: float = 20.0): ...
        >>> Scaled("20")
        Traceback (most recent call last):
        TypeError: Scaled cannot be built:
          - scale: Expected a number, got the string '20'; write it without quotes.
    """

    if sys.version_info < (3, 11, 4):  # where Python takes the signature of a class from __new__
        __signature__ = _SignatureOfInit()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Check the arguments; there are none in copying and unpickling."""
        if args or kwargs:
            _check(cls, args, kwargs)
        return super().__new__(cls)


def _check(cls: type[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    known = callable_arguments(cls)
    try:
        given = inspect.signature(cls).bind(*args, **kwargs).arguments
    except TypeError:  # the constructor raises it itself
        return
    values = {
        name: value
        for name, value in given.items()
        if name in known and (value is None or isinstance(value, _CHECKED))
    }
    faults = argument_faults(cls.__name__, known, values)
    raise_faults(cls.__name__, (fault for fault in faults if fault.error is TypeError))
