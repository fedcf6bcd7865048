"""Validation of argument values against their annotations, before anything is built."""

from __future__ import annotations

import collections.abc
import enum
import math
import numbers
import types
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeGuard

import annotated_types
from pydantic import ConfigDict, PydanticUserError, Strict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from quaterion_core.components.arguments import Argument, arguments_of, component_arguments
from quaterion_core.components.choices import split_choice
from quaterion_core.plugins import PluginError, registry
from quaterion_core.plugins.nearest import nearest, suggestion, unknown_name

_WORDS: Final[dict[Any, str]] = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "a string",
    type(None): "null",
    Path: "a path",
    dict: "a mapping",
    list: "a list",
    tuple: "a list",
    set: "a list",
}
_ANYTHING: Final[tuple[object, ...]] = (Any, object)
_CONFIG: Final = ConfigDict(arbitrary_types_allowed=True, strict=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault in a choice.

    Attributes:
        place: The keys that lead to it, such as ``("loss", "margin")``.
        message: What was expected, what was given, and the nearest name if there is one.
        error: Type of the exception to raise for it: ``TypeError`` for an unknown argument or a
            value of the wrong type, ``ValueError`` for an unknown name or a value out of range.
    """

    place: tuple[str | int, ...]
    message: str
    error: type[Exception] = TypeError

    def __str__(self) -> str:
        place = ".".join(map(str, self.place))
        return f"{place}: {self.message}" if place else self.message


def raise_faults(subject: str, faults: Iterable[Fault]) -> None:
    """Raise an exception that lists all faults; do nothing if there are none.

    Args:
        subject: Subject of the message, such as ``"The loss 'triplet'"``.
        faults: Its faults.
    """
    listed = list(faults)
    place = listed[0].place if len(listed) == 1 else None
    if place == () or (place is not None and len(place) == 1 and subject in listed[0].message):
        raise listed[0].error(listed[0].message)
    if listed:
        lines = "".join(f"\n  - {fault}" for fault in listed)
        raise listed[0].error(f"{subject} cannot be built:{lines}")


def component_faults(
    kind: str,
    choice: object,
    place: tuple[str | int, ...] = (),
    *,
    provided: Collection[str] | None = None,
) -> Iterator[Fault]:
    """Yield all faults of a choice of a component: names and values, including nested ones.

    The component's class is imported; nothing is built.

    Args:
        kind: A kind of component, such as ``loss``.
        choice: The choice.
        place: The keys that lead to the choice.
        provided: Arguments that are filled in when the component is built; all others without a
            default are required. By default missing arguments are not checked.

    Example:
        >>> for fault in component_faults("loss", {"name": "triplet", "margin": "big"}):
        ...     print(fault)
        margin: Expected a number of at least 0, got 'big'.
    """
    try:
        name, given = split_choice(kind, choice)
        cls = registry.load(kind, name)
    except (PluginError, TypeError) as error:
        yield Fault(place, str(error))
        return
    nested = component_arguments(cls)
    inner = {key: value for key, value in given.items() if _is_choice(value) and key in nested}
    outer = {key: value for key, value in given.items() if key not in inner}
    known = arguments_of(cls)
    yield from argument_faults(f"The {kind} {name!r}", known, outer, place, unchecked=inner)
    for key, argument in known.items():
        if provided is not None and argument.is_required and key not in {*given, *provided}:
            expected = type_in_words(argument.annotation)
            yield Fault(place, f"The {kind} {name!r} needs {key!r}: expected {expected}.")
    for key, value in inner.items():
        yield from component_faults(nested[key], value, (*place, key), provided=provided)


def argument_faults(
    owner: str,
    known: Mapping[str, Argument],
    given: Mapping[str, Any],
    place: tuple[str | int, ...] = (),
    *,
    unchecked: Mapping[str, Any] = types.MappingProxyType({}),
) -> Iterator[Fault]:
    """Yield unknown arguments, and values that do not match the annotations.

    Args:
        owner: Owner of the arguments, for the message, such as ``"The loss 'triplet'"``.
        known: The known arguments.
        given: The values by name.
        place: The keys that lead to the arguments.
        unchecked: Arguments whose values are checked elsewhere.
    """
    for name in (*given, *unchecked):
        if name not in known:
            message = unknown_name(f"{owner} has no argument", name, known, known_as="It takes")
            yield Fault((*place, name), message.replace("It takes: none", "It takes: no arguments"))
    for name, value in given.items():
        if name in known:
            message = value_fault(known[name].annotation, value)
            if message:
                is_right = _is_of_right_type(known[name].annotation, value)
                error = ValueError if is_right else TypeError
                yield Fault((*place, name), message, error)


def value_fault(annotation: Any, value: object) -> str:
    """Return a message if a value does not match an annotation, or an empty string.

    Strings are neither numbers nor booleans, booleans are not numbers, and integers are numbers.

    Example:
        >>> value_fault(float, "0.1")
        "Expected a number, got the string '0.1'; write it without quotes."
        >>> value_fault(Literal["random", "identity"], "identiy")
        "Expected 'random' or 'identity', got 'identiy': did you mean 'identity'?"
        >>> value_fault(float, 1), value_fault(int | None, None)
        ('', '')
    """
    adapter = _adapter(_Hashed(annotation))
    if adapter is None:
        return ""
    try:
        adapter.validate_python(_plain(value))
    except ValidationError:
        return f"Expected {type_in_words(annotation)}, got {_shown(annotation, value)}"
    except Exception:  # a foreign type's own validation
        return ""
    return ""


def type_in_words(annotation: Any) -> str:
    """Describe a type in the terms of a recipe.

    Example:
        >>> type_in_words(int | None), type_in_words(collections.abc.Sequence[float])
        ('an integer or null', 'a list of numbers')
        >>> type_in_words(Annotated[float, annotated_types.Gt(0)])
        'a number greater than 0'
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in _ANYTHING:
        return "any value"
    if origin is Annotated:
        constraints = " and ".join(filter(None, map(_constraint_in_words, arguments[1:])))
        return f"{type_in_words(arguments[0])} {constraints}".rstrip()
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin in (typing.Union, types.UnionType):
        members = [member for member in _distinct(arguments) if member is not type(None)]
        plain = [m for m in members if not is_class(m) or m in _WORDS or _is_enumeration(m)]
        members = plain or members  # preferably those that can be written in a file
        words = [type_in_words(member) for member in members]
        words += ["null"] if type(None) in arguments else []
        return " or ".join(dict.fromkeys(words))
    if _is_enumeration(annotation):
        return " or ".join(repr(member.value) for member in annotation)
    if origin is not None and isinstance(origin, type):
        if issubclass(origin, collections.abc.Mapping):
            keys, values = (*arguments, Any, Any)[:2]
            inner = f"{_plural(keys)} to {_plural(values)}"
            return f"a mapping from {inner}" if arguments else "a mapping"
        if issubclass(origin, collections.abc.Collection):
            of = f" of {_plural(arguments[0])}" if arguments else ""
            return f"a list{of}"
        if issubclass(origin, collections.abc.Callable):  # type: ignore[arg-type]
            return "a function"
    if annotation in _WORDS:
        return _WORDS[annotation]
    name = getattr(annotation, "__name__", str(annotation))
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def _plural(annotation: Any) -> str:
    members = [m for m in _distinct(typing.get_args(annotation) or (annotation,)) if m in _WORDS]
    if typing.get_origin(annotation) in (None, typing.Union, types.UnionType) and members:
        words = (_WORDS[member].removeprefix("an ").removeprefix("a ") for member in members)
        return " or ".join(f"{word}s" for word in words).replace("true or falses", "truth values")
    return "values"


def _constraint_in_words(constraint: object) -> str:
    match constraint:
        case annotated_types.Gt(gt=bound):
            return f"greater than {bound}"
        case annotated_types.Ge(ge=bound):
            return f"of at least {bound}"
        case annotated_types.Lt(lt=bound):
            return f"less than {bound}"
        case annotated_types.Le(le=bound):
            return f"of at most {bound}"
        case annotated_types.MinLen(min_length=1):
            return "that is not empty"
    return ""


def _shown(annotation: Any, value: object) -> str:
    """Return a value as text, with a hint at what was probably meant."""
    shown = f"{value!r:.80}"
    if isinstance(value, str):
        choices = [str(choice) for choice in _choices(annotation)]
        near = suggestion(nearest(value, choices)[:1])
        if near:
            return f"{shown}: {near}"
        if _reads_as_number(value) and _accepts_number(annotation):
            return f"the string {shown}; write it without quotes."
        if _takes_files(annotation):
            return f"{shown}; write a mapping, such as {{train: {value}}}."
    return f"{shown}."


def _choices(annotation: Any) -> Iterator[Any]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        yield from arguments
    elif _is_enumeration(annotation):
        yield from (member.value for member in annotation)
    else:
        for argument in arguments:
            yield from _choices(argument)


def _accepts_number(annotation: Any) -> bool:
    return annotation in (int, float) or any(map(_accepts_number, typing.get_args(annotation)))


def _takes_files(annotation: Any) -> bool:
    """Whether an argument takes paths by split."""
    origin = typing.get_origin(annotation)
    is_mapping = isinstance(origin, type) and issubclass(origin, collections.abc.Mapping)
    return is_mapping and mentions_path(annotation)


def mentions_path(annotation: Any) -> bool:
    """Whether an annotation contains ``Path``."""
    return annotation is Path or any(map(mentions_path, typing.get_args(annotation)))


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _plain(value: object) -> object:
    """Convert the scalars of other libraries to Python's."""
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):  # of NumPy or torch
        return value.item()
    return value


def constrained(annotation: Any, constraints: Sequence[Any]) -> Any:
    """Return a type with constraints, such as ``Annotated[int, Ge(1)]``."""
    return _special(Annotated, (annotation, *constraints)) if constraints else annotation


def _is_of_right_type(annotation: Any, value: object) -> bool:
    """Whether a wrong value is of the right type, such as one out of range or an unknown name."""
    if isinstance(value, float) and not math.isfinite(value):
        return _accepts_number(annotation)
    if isinstance(value, str) and any(isinstance(c, str) for c in _choices(annotation)):
        return True
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(_is_of_right_type(member, value) for member in arguments)
    return origin is Annotated and not value_fault(arguments[0], value)


def _special(form: Any, parameters: object) -> Any:
    """Parametrize a form of :mod:`typing` at runtime."""
    return form[parameters]


def _distinct(members: Sequence[Any]) -> Sequence[Any]:
    """Leave out members that others cover: strings by paths or options, integers by numbers."""
    covered: list[Any] = [int] if float in members else []
    if Path in members or any(map(_is_enumeration, members)):
        covered.append(str)
    return [member for member in members if member not in covered]


def _is_enumeration(annotation: Any) -> bool:
    return is_class(annotation) and issubclass(annotation, enum.Enum)


def is_class(annotation: Any) -> TypeGuard[type[Any]]:
    """Whether an annotation is a class; ``list[str]`` is an instance of ``type`` in Python 3.10."""
    return isinstance(annotation, type) and typing.get_origin(annotation) is None


def _is_choice(value: object) -> bool:
    return isinstance(value, (str, Mapping))


class _Hashed:
    """An annotation as a cache key; equal annotations share an entry if they are hashable."""

    __slots__ = ("annotation",)

    def __init__(self, annotation: Any):
        self.annotation = annotation

    def __hash__(self) -> int:
        return hash(repr(self.annotation))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashed) and repr(self.annotation) == repr(other.annotation)


@lru_cache(maxsize=512)
def _adapter(key: _Hashed) -> TypeAdapter[Any] | None:
    """Return the validator of an annotation; ``None`` if pydantic does not support it."""
    try:
        return TypeAdapter(_as_written(key.annotation), config=_CONFIG)
    except (PydanticUserError, PydanticSchemaGenerationError, TypeError):
        return None


def _as_written(annotation: Any) -> Any:
    """Widen an annotation by its form in a file: strings for paths and enumerations."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Path:
        return str | Path
    if _is_enumeration(annotation):
        values = tuple(member.value for member in annotation)
        return annotation | _special(Literal, values)
    if origin is Annotated:
        return _special(Annotated, (_as_written(arguments[0]), *arguments[1:]))
    if origin in (typing.Union, types.UnionType):
        return _special(typing.Union, tuple(map(_as_written, _distinct(arguments))))
    if origin is tuple or annotation is tuple:
        return Annotated[annotation, Strict(False)]
    if origin is None or origin is Literal or origin is collections.abc.Callable:
        return annotation
    try:
        return origin[tuple(map(_as_written, arguments))]
    except TypeError:
        return annotation
