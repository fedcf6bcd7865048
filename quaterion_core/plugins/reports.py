"""What discovery tells about each plugin."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from quaterion_core.plugins.records import ComponentRecord


class PluginStatus(str, Enum):
    """What became of a plugin."""

    OK = "ok"
    EMPTY = "empty"
    """It was loaded and brings nothing."""
    DISABLED = "disabled"
    """``QUATERION_PLUGINS`` or ``QUATERION_DISABLE_PLUGINS`` leaves it out; it was not imported."""
    WRONG_API = "wrong API"
    """It was written for another version of the hooks."""
    FAILED = "failed"
    """Importing it or asking it for its components raised, or what it declares is malformed."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a plugin comes from.

    Attributes:
        distribution: The package that brings it, its name normalised as PEP 503 says.
        version: The installed version of that package; ``None`` where it is not known.
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
    """What became of one plugin.

    Attributes:
        provenance: Where it comes from.
        status: What became of it.
        reason: Why it is not in use; empty if it is.
        components: The components that it brings; none unless its status is ``ok``.
        hooks: The hooks of a training run that it implements.
        warnings: Defects that its author should mend.
        notes: What a user should know.
        cause: The exception that made it fail, if one did.
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
        """Everything that is wrong with the plugin, for the eyes of its user and its author."""
        is_broken = self.status in (PluginStatus.FAILED, PluginStatus.WRONG_API)
        return (self.reason, *self.warnings) if is_broken else self.warnings
