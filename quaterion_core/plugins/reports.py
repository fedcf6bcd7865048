"""Reports on plugins by discovery."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from quaterion_core.plugins.records import ComponentRecord


class PluginStatus(str, Enum):
    """Status of a plugin."""

    OK = "ok"
    EMPTY = "empty"
    """It was loaded, but declares nothing."""
    DISABLED = "disabled"
    """``QUATERION_PLUGINS`` or ``QUATERION_DISABLE_PLUGINS`` excludes it; it was not imported."""
    WRONG_API = "wrong API"
    """It was written for another version of the hooks."""
    FAILED = "failed"
    """Importing it or calling its hooks raised, or a declaration is malformed."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Origin of a plugin.

    Attributes:
        distribution: Its distribution, with the name normalised by PEP 503.
        version: The installed version of the distribution; ``None`` if unknown.
        entry_point: The entry point that names it, ``"name = module"``; ``None`` for core itself.
    """

    distribution: str
    version: str | None
    entry_point: str | None

    @property
    def entry_point_name(self) -> str:
        """The left side of the entry point; empty for core itself."""
        return (self.entry_point or "").partition(" = ")[0]

    @property
    def module(self) -> str:
        """The module that the entry point names; empty for core itself."""
        return (self.entry_point or "").partition(" = ")[2].partition(":")[0].strip()

    def __str__(self) -> str:
        return " ".join(filter(None, (self.distribution, self.version)))


@dataclass(frozen=True, slots=True)
class PluginReport:
    """Report on one plugin.

    Attributes:
        provenance: Its origin.
        status: Its status.
        reason: Why it is not in use; empty if it is.
        components: Its components; none unless its status is ``ok``.
        hooks: The hooks of a training run that it implements.
        warnings: Defects for its author to fix.
        notes: Information for users.
        cause: The exception that made it fail, if any.
        plugin: The loaded module or object; ``None`` unless it is in use.
    """

    provenance: Provenance
    status: PluginStatus
    reason: str = ""
    components: tuple[ComponentRecord, ...] = ()
    hooks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    cause: BaseException | None = field(default=None, repr=False, compare=False)
    plugin: object | None = field(default=None, repr=False, compare=False)

    @property
    def problems(self) -> tuple[str, ...]:
        """All problems of the plugin, for its users and its author."""
        is_broken = self.status in (PluginStatus.FAILED, PluginStatus.WRONG_API)
        return (self.reason, *self.warnings) if is_broken else self.warnings
