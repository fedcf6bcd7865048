"""Errors of plugins and components.

All derive from one base class::

    PluginError
    ├── PluginLoadError         a plugin is broken, and QUATERION_PLUGINS_STRICT=1 is set
    ├── RegistrationError       a class cannot be registered under a name
    ├── ActivationError         plugins given to `fit` cannot be used, or not together
    ├── AmbiguousNameError      several components match a name
    └── MissingComponentError   components are missing, and why

A broken plugin that is not needed issues a :class:`PluginWarning`, once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from quaterion_core.plugins.records import ComponentKind


class PluginWarning(UserWarning):
    """A plugin or a part of it is not used."""


class PluginError(Exception):
    """Base of all errors of plugins and components."""


class PluginLoadError(PluginError, ImportError):
    """A plugin is broken; raised only where ``QUATERION_PLUGINS_STRICT=1`` is set."""


class RegistrationError(PluginError, ValueError):
    """A class cannot be registered: its name is malformed or taken, or it is not a class."""


class ActivationError(PluginError, ValueError):
    """Plugins cannot be used in a training run: unknown, not in use, or in conflict."""


class AmbiguousNameError(PluginError, LookupError):
    """Several components match a short name or a former id.

    Attributes:
        kind: The kind of component asked for.
        name: The name asked for.
        candidates: Canonical ids of the matching components, sorted.
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
    """Why a component is missing."""

    NOT_INSTALLED = "not installed"
    DISABLED = "disabled"
    FAILED = "failed"
    WRONG_API = "wrong API"
    NO_SUCH_NAME = "no such name"
    EXTRA_MISSING = "extra missing"


@dataclass(frozen=True, slots=True)
class MissingComponent:
    """A missing component.

    Attributes:
        kind: The kind of component asked for.
        id: Its canonical id or short name, as given.
        reason: Why it is missing.
        hint: Details, and what to do.
    """

    kind: ComponentKind
    id: str
    reason: MissingReason
    hint: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.id!r} ({self.reason.value}): {self.hint}"


class MissingComponentError(PluginError, LookupError):
    """Components are missing. The message lists all of them, with the reasons.

    If a plugin or a component failed to load, ``__cause__`` is the exception it raised.

    Attributes:
        missing: The missing components, in the order of the request.
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
