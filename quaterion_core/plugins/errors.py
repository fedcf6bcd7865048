"""What can go wrong with plugins and components.

All errors derive from one, so that a program can tell them from errors of its own::

    PluginError
    ├── PluginLoadError         a plugin is broken, and QUATERION_PLUGINS_STRICT=1 asks to know
    ├── RegistrationError       a class cannot be registered under the name given
    ├── ActivationError         plugins that `fit` was given cannot be used, or not together
    ├── AmbiguousNameError      a short name means components of several plugins
    └── MissingComponentError   components cannot be had, and why

A plugin that is broken without anybody needing it is a :class:`PluginWarning`, once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from quaterion_core.plugins.records import ComponentKind


class PluginWarning(UserWarning):
    """A plugin is left out, or part of it is."""


class PluginError(Exception):
    """The base of all errors of plugins and components."""


class PluginLoadError(PluginError, ImportError):
    """A plugin is broken; raised only where ``QUATERION_PLUGINS_STRICT=1`` is set."""


class RegistrationError(PluginError, ValueError):
    """A class cannot be registered: its name is malformed or taken, or it is no class."""


class ActivationError(PluginError, ValueError):
    """Plugins cannot be used in a training run: unknown, not in use, or at odds."""


class AmbiguousNameError(PluginError, LookupError):
    """A short name means components of several plugins.

    Attributes:
        kind: The kind of component asked for.
        name: The short name.
        candidates: The canonical ids that it may mean, sorted.
    """

    def __init__(self, kind: ComponentKind, name: str, candidates: Iterable[str]):
        self.kind = kind
        self.name = name
        self.candidates = tuple(sorted(candidates))
        super().__init__(kind, name, self.candidates)

    def __str__(self) -> str:
        candidates = " or ".join(repr(candidate) for candidate in self.candidates)
        return f"The {self.kind.value} {self.name!r} is ambiguous; write {candidates}"


class MissingReason(str, Enum):
    """Why a component cannot be had."""

    NOT_INSTALLED = "not installed"
    DISABLED = "disabled"
    FAILED = "failed"
    WRONG_API = "wrong API"
    NO_SUCH_NAME = "no such name"
    EXTRA_MISSING = "extra missing"


@dataclass(frozen=True, slots=True)
class MissingComponent:
    """A component that cannot be had.

    Attributes:
        kind: The kind of component asked for.
        id: Its canonical id or short name, as it was asked for.
        reason: Why it cannot be had.
        hint: What is known about it, and the way out.
    """

    kind: ComponentKind
    id: str
    reason: MissingReason
    hint: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.id!r} ({self.reason.value}): {self.hint}"


class MissingComponentError(PluginError, LookupError):
    """Components cannot be had. The message tells all of them at once, and why.

    If a plugin or a component failed to load, ``__cause__`` is the exception it raised.

    Attributes:
        missing: What is missing, in the order in which it was asked for.
    """

    def __init__(self, missing: Iterable[MissingComponent]):
        self.missing = tuple(missing)
        super().__init__(self.missing)

    def __str__(self) -> str:
        if len(self.missing) == 1:
            return f"Missing component: {self.missing[0]}"
        return "\n- ".join(
            [f"{len(self.missing)} components are missing:", *map(str, self.missing)]
        )
