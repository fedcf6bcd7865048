"""Declaration of the command of quaterion-tune; imports nothing heavy."""

from __future__ import annotations

from quaterion_core.plugins import Component, hookimpl

quaterion_api = 1


@hookimpl
def quaterion_commands() -> dict[str, Component]:
    """Declare the command."""
    return {
        "tune": Component(
            "quaterion_tune.command:tune",
            summary="Find the best model for some data, and never a worse one than the untouched.",
        )
    }
