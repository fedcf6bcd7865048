"""Human-readable table of `quaterion plugins`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

import click

from quaterion_core.cli.plugin_check import CheckedPlugin
from quaterion_core.plugins import ComponentKind, PluginReport, PluginStatus
from quaterion_core.plugins.component_check import CheckedComponent

_COLOURS: Final = {
    PluginStatus.OK: "green",
    PluginStatus.EMPTY: "yellow",
    PluginStatus.DISABLED: "yellow",
    PluginStatus.WRONG_API: "red",
    PluginStatus.FAILED: "red",
}

_LABEL: Final = max(len(kind.plural) for kind in ComponentKind)
"""Width of the column of labels."""


def plugin_table(
    reports: Sequence[PluginReport],
    checked: Sequence[CheckedComponent] = (),
    checked_plugins: Sequence[CheckedPlugin] = (),
    *,
    width: int,
) -> Iterator[str]:
    """Format reports in terminal colours: a line for each plugin, followed by its components.

    Args:
        reports: Report of each plugin.
        checked: Results of the checked components, if any.
        checked_plugins: Results of the checked plugins, if any.
        width: Width of the terminal in columns, at least 80.

    Yields:
        Lines.
    """
    plugins = [report.provenance.distribution for report in reports]
    versions = [report.provenance.version or "?" for report in reports]
    widths = [max(map(len, ["Plugin", *plugins])), max(map(len, ["Version", *versions]))]
    yield click.style(f"{'Plugin':{widths[0]}}  {'Version':{widths[1]}}  Status", bold=True)
    for plugin, version, report in zip(plugins, versions, reports, strict=True):
        status = click.style(report.status.value, fg=_COLOURS[report.status])
        yield f"{plugin:{widths[0]}}  {version:{widths[1]}}  {status}"
        for label, text in _details(report, checked, checked_plugins):
            yield textwrap.fill(
                text,
                width,
                initial_indent=f"  {label:{_LABEL}}  ",
                subsequent_indent=" " * (_LABEL + 4),
                break_on_hyphens=False,
            )
        yield ""


def _details(
    report: PluginReport,
    checked: Sequence[CheckedComponent],
    checked_plugins: Sequence[CheckedPlugin],
) -> Iterator[tuple[str, str]]:
    """Yield the details of a plugin, each with a label."""
    if report.reason:
        yield "reason", report.reason
    for kind in ComponentKind:
        names = [record.name for record in report.components if record.kind is kind]
        if names:
            yield kind.plural, ", ".join(names)
    moved = [
        f"{record.id} (formerly {', '.join(record.former_ids)})"
        for record in report.components
        if record.former_ids
    ]
    if moved:
        yield "moved", ", ".join(moved)
    if report.hooks:
        yield "hooks", ", ".join(report.hooks)
    for warning in report.warnings:
        yield "warning", warning
    for note in report.notes:
        yield "note", note
    for component in checked:
        record = component.record
        if record in report.components and (component.problem or component.skipped):
            label = "broken" if component.problem else "skipped"
            found = component.problem or component.skipped
            yield label, f"{record.kind.value} {record.name}: {found}"
    for plugin in checked_plugins:
        if plugin.report is report:
            yield from (("advice", advice) for advice in plugin.advice)
