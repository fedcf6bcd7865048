"""Environment variables that control which plugins are loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from quaterion_core.plugins.records import normalize

ALLOW: Final = "QUATERION_PLUGINS"
DENY: Final = "QUATERION_DISABLE_PLUGINS"
STRICT: Final = "QUATERION_PLUGINS_STRICT"


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """Selection of plugins, and whether a broken one is an error.

    Attributes:
        allowed: The only distributions whose plugins are loaded; ``None`` for all.
        denied: The distributions whose plugins are not loaded, even if allowed.
        strict: Whether a broken plugin raises.
    """

    allowed: frozenset[str] | None
    denied: frozenset[str]
    strict: bool

    @classmethod
    def from_environment(cls) -> PluginSettings:
        """Read the settings; an empty variable counts as unset.

        ``QUATERION_PLUGINS`` and ``QUATERION_DISABLE_PLUGINS`` hold names of distributions,
        separated by commas, ``QUATERION_PLUGINS_STRICT`` holds 1 or 0.
        """
        return cls(
            allowed=_names(ALLOW) or None,
            denied=_names(DENY),
            strict=os.environ.get(STRICT, "0") not in ("", "0"),
        )

    def reason_to_skip(self, distribution: str) -> str:
        """Return why the plugins of a distribution are skipped; empty if they are not."""
        if distribution in self.denied:
            return f"{DENY} names {distribution!r}"
        if self.allowed is not None and distribution not in self.allowed:
            return f"{ALLOW} does not name {distribution!r}"
        return ""


def _names(variable: str) -> frozenset[str]:
    names = os.environ.get(variable, "").split(",")
    return frozenset(normalize(name.strip()) for name in names if name.strip())
