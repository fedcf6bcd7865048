"""Declaration of the command and the hook of quaterion-report; imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quaterion_core.plugins import Component, hookimpl

quaterion_api = 1


@hookimpl
def quaterion_commands() -> dict[str, Component]:
    """Declare the command."""
    return {
        "report": Component(
            "quaterion_report.command:report",
            summary="Write a page on what a saved model has learned.",
        )
    }


@hookimpl
def quaterion_after_save(path: Path, model: Any) -> None:
    """Save the data of the page with the model of a recipe that names this plugin."""
    from quaterion_report.building import save_data

    save_data(path, model)
