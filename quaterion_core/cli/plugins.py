"""`quaterion plugins`: the installed plugins, their components and their problems."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any, Final

import click

from quaterion_core.cli.errors import user_errors
from quaterion_core.cli.plugin_check import CheckedPlugin, check_plugins
from quaterion_core.cli.plugin_table import plugin_table
from quaterion_core.plugins import API_VERSION, PluginReport, PluginWarning, registry
from quaterion_core.plugins.component_check import CheckedComponent, check_components

SCHEMA_VERSION: Final = 1
"""Version of the JSON report. Keys may be added without raising it."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--check",
    is_flag=True,
    help="Import every component, check it and its plugin; exit with 1 if anything is broken.",
)
def plugins(as_json: bool, check: bool) -> None:
    """List the installed plugins, their components and their problems.

    QUATERION_PLUGINS and QUATERION_DISABLE_PLUGINS, lists of package names separated by commas,
    select the plugins to load and the plugins to ignore.
    """
    # What a plugin prints during its import is not part of the report.
    with user_errors(), redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        reports = registry.plugins()
        components = [record for report in reports for record in report.components]
        checked = list(check_components(components)) if check else None
        checked_plugins = list(check_plugins(reports)) if check else []
    if as_json:
        click.echo(_json(reports, checked, checked_plugins))
    else:
        width = min(shutil.get_terminal_size().columns, 100)
        click.echo("\n".join(plugin_table(reports, checked or (), checked_plugins, width=width)))
        if checked is not None:
            click.echo(_summary(checked, checked_plugins))
    if any(map(_is_broken, checked_plugins)) or any(c.problem for c in checked or ()):
        raise SystemExit(1)


def _is_broken(plugin: CheckedPlugin) -> bool:
    return bool(plugin.report.problems or plugin.heavy_imports)


def _summary(checked: Sequence[CheckedComponent], plugins: Sequence[CheckedPlugin]) -> str:
    broken_plugins = sum(map(_is_broken, plugins))
    broken = sum(bool(component.problem) for component in checked)
    skipped = sum(bool(component.skipped) for component in checked)
    return (
        f"Checked {len(plugins)} plugins: {broken_plugins} broken.\n"
        f"Checked {len(checked)} components: {broken} broken, {skipped} skipped."
    )


def _json(
    reports: Sequence[PluginReport],
    checked: Sequence[CheckedComponent] | None,
    checked_plugins: Sequence[CheckedPlugin],
) -> str:
    """Write the report as JSON.

    ``plugins`` holds an object for each plugin, core first: ``distribution``, ``version`` (or
    null), ``entry_point`` (``"name = module"``, null for core), ``status`` (ok, empty, disabled,
    wrong API or failed), ``reason`` (why it is not in use, else empty), ``components`` (``kind``,
    ``id``, ``target``, ``extra`` or null, ``former_ids``), ``hooks``, ``warnings`` and ``notes``.
    ``check`` and ``check_plugins`` are null without ``--check``. ``check`` holds for each component
    ``kind``, ``id``, ``problem`` and ``skipped``, the last two empty for a component without
    problems; ``check_plugins`` holds for each plugin, in the order of ``plugins``,
    ``distribution``, ``entry_point``, ``heavy_imports`` and ``advice``, the last two empty for a
    plugin without problems.
    """
    content: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "api": API_VERSION,
        "plugins": [
            {
                "distribution": report.provenance.distribution,
                "version": report.provenance.version,
                "entry_point": report.provenance.entry_point,
                "status": report.status.value,
                "reason": report.reason,
                "components": [
                    {
                        "kind": record.kind.value,
                        "id": record.id,
                        "target": record.target,
                        "extra": record.extra,
                        "former_ids": list(record.former_ids),
                    }
                    for record in report.components
                ],
                "hooks": list(report.hooks),
                "warnings": list(report.warnings),
                "notes": list(report.notes),
            }
            for report in reports
        ],
        "check": None
        if checked is None
        else [
            {
                "kind": component.record.kind.value,
                "id": component.record.id,
                "problem": component.problem,
                "skipped": component.skipped,
            }
            for component in checked
        ],
        "check_plugins": None
        if checked is None
        else [
            {
                "distribution": plugin.report.provenance.distribution,
                "entry_point": plugin.report.provenance.entry_point,
                "heavy_imports": list(plugin.heavy_imports),
                "advice": list(plugin.advice),
            }
            for plugin in checked_plugins
        ],
    }
    return json.dumps(content, indent=2)
