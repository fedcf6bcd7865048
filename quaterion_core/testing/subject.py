"""A component under test, and what is needed to test it."""

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
    """What the checks need to build a component and to feed it.

    Args:
        arguments: The arguments that a recipe would give, for ``from_config`` or, of an encoder,
            for ``from_data``. A loss that takes ``embedding_size`` and ``num_groups`` and a head
            that takes ``input_embedding_size`` get these by themselves. Choose values that are
            not the defaults, so that a configuration which forgets one is found out.
        objects: Two or more different raw objects, for an encoder.
        odd_objects: Raw objects that an encoder should survive, such as an empty text.
        meta: What the head reads of raw objects, one dictionary each, for a head that needs it.
        object_targets: Targets that a loss over pairs takes beside the usual ones, with the number
            of columns that each has for every object.
        build: Builds the component, where arguments alone cannot.

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
    """A component that is built once; each check gets a copy of its own.

    Args:
        name: What the component is called in the report.
        build: Builds it.
        example: What else the checks need.
    """

    def __init__(self, name: str, build: Callable[[], ComponentT], example: Example):
        self.name = name
        self.example = example
        self._build = build
        self._original: ComponentT | None = None
        self._failure: Exception | None = None

    def built(self) -> ComponentT:
        """Build the component, or return what was built before.

        Raises:
            Exception: What building it raised, each time.
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
        """Return a copy of the component for one check to do with as it likes.

        Raises:
            NotApplicableError: It cannot be built.
        """
        try:
            return copy.deepcopy(self.built())
        except Exception as error:
            told = "it cannot be built: see the check 'construction'"
            raise NotApplicableError(told) from error


SubjectT = TypeVar("SubjectT", bound=Subject[Any])


def subject_of(
    given: Any, base: type[Any], example: Example, subject_type: type[SubjectT]
) -> SubjectT:
    """Make a subject of an instance, or of a function or class that builds one."""
    if isinstance(given, (base, nn.Module)):
        return subject_type(type(given).__name__, lambda: given, example)
    if not callable(given):
        raise TypeError(
            f"A {base.__name__} is checked, or a function that builds one, but got {given!r:.80}."
        )
    return subject_type(getattr(given, "__name__", type(given).__name__), given, example)


def _copied(component: object) -> None:
    try:
        copy.deepcopy(component)
    except Exception as error:
        raise CheckError(
            f"a {type(component).__name__} cannot be copied with copy.deepcopy, which each check "
            f"does to get one of its own: {describe(error)}"
        ) from error
