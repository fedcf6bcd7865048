"""A component under test, with the example that it is tested with."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from torch import nn

from quaterion_core.plugins.loading import describe
from quaterion_core.testing.checks import CheckError, NotApplicableError

ComponentT = TypeVar("ComponentT")


@dataclass(frozen=True)
class Example:
    """Arguments and inputs with which a component is tested.

    Args:
        arguments: Constructor arguments as in a recipe, passed to ``from_config`` or, for an
            encoder, to ``from_data``. ``embedding_size`` and ``num_groups`` of a loss and
            ``input_embedding_size`` of a head are filled in automatically. Use values other than
            the defaults, so that an argument missing from the configuration is detected.
        objects: Two or more distinct raw objects, for an encoder.
        odd_objects: Raw objects that an encoder should handle, such as an empty text.
        meta: Metadata of raw objects, one dictionary per object, for a head that reads it.
        object_targets: Additional per-object targets that a pairwise loss takes, as
            ``{name: number of columns}``.
        build: Function that builds the component, where arguments alone are not enough.

    Example:
        >>> Example(arguments={"vocab_size": 300}, objects=["a file", "a folder"]).odd_objects
        ()
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    objects: Sequence[Any] = ()
    odd_objects: Sequence[Any] = ()
    meta: Sequence[Mapping[str, Any]] | None = None
    object_targets: Mapping[str, int] = field(default_factory=dict)
    build: Callable[[], Any] | None = None


class Subject(Generic[ComponentT]):
    """A component under test. It is built once, and each check gets its own copy.

    Args:
        name: Name of the component in the report.
        build: Function that builds the component.
        example: Inputs that the checks need.
    """

    def __init__(self, name: str, build: Callable[[], ComponentT], example: Example):
        self.name = name
        self.example = example
        self._build = build
        self._original: ComponentT | None = None
        self._failure: Exception | None = None

    def built(self) -> ComponentT:
        """Return the component, building it on the first call.

        Raises:
            Exception: Whatever the construction raised; raised again on every call.
        """
        if self._failure is not None:
            raise self._failure
        if self._original is None:
            try:
                original = self._build()
                _copied(original)
            except Exception as error:
                self._failure = error
                raise
            self._original = original
        return self._original

    def fresh(self) -> ComponentT:
        """Return a copy of the component, which a check may modify.

        Raises:
            NotApplicableError: If the component cannot be built.
        """
        try:
            return copy.deepcopy(self.built())
        except Exception as error:
            message = "the component cannot be built: see the check 'construction'"
            raise NotApplicableError(message) from error


SubjectT = TypeVar("SubjectT", bound=Subject[Any])


def subject_of(
    given: Any, base: type[Any], example: Example, subject_type: type[SubjectT]
) -> SubjectT:
    """Create a subject from an instance, or from a function or class that builds one."""
    if isinstance(given, (base, nn.Module)):
        return subject_type(type(given).__name__, lambda: given, example)
    if not callable(given):
        raise TypeError(
            f"Expected a {base.__name__}, or a class or function that builds one, got "
            f"{given!r:.80}."
        )
    return subject_type(getattr(given, "__name__", type(given).__name__), given, example)


def _copied(component: object) -> None:
    try:
        copy.deepcopy(component)
    except Exception as error:
        raise CheckError(
            f"{type(component).__name__} cannot be copied with copy.deepcopy, which gives each "
            "check "
            f"its own instance: {describe(error)}"
        ) from error
