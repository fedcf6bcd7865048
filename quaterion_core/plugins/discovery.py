"""Discovery: every installed plugin, loaded on its own, and what became of it."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from quaterion_core.plugins.components import CORE, ComponentRecord, canonical_id
from quaterion_core.plugins.errors import PluginLoadError, PluginWarning
from quaterion_core.plugins.installed import distributions_with_plugins
from quaterion_core.plugins.loading import failure, load_plugin
from quaterion_core.plugins.reports import PluginReport, PluginStatus, Provenance
from quaterion_core.plugins.settings import STRICT, PluginSettings


def discover(core: PluginReport, path: Sequence[str] | None = None) -> tuple[PluginReport, ...]:
    """Load every plugin that is installed and not disabled.

    Args:
        core: The report on core's own components.
        path: Directories to look for distributions in; ``sys.path`` by default.

    Returns:
        A report on each plugin, sorted by distribution and entry point.

    Raises:
        PluginLoadError: A plugin is broken and ``QUATERION_PLUGINS_STRICT=1`` is set.
    """
    settings = PluginSettings.from_environment()
    reports = _note_shared_names(core, _refuse_contradictions(list(_load_all(settings, path))))
    if settings.strict:
        _raise_if_broken(reports)
    return tuple(reports)


def warn_of_broken(reports: Iterable[PluginReport]) -> None:
    """Issue one :class:`PluginWarning` for each plugin with problems."""
    for report in reports:
        if report.problems:
            warnings.warn(PluginWarning(_complaint(report)), stacklevel=2)


def _load_all(settings: PluginSettings, path: Sequence[str] | None) -> Iterator[PluginReport]:
    for distribution in distributions_with_plugins(path):
        reason = settings.reason_to_skip(distribution.name)
        try:
            entry_points = distribution.plugins()
        except Exception as error:
            yield failure(Provenance(distribution.name, distribution.version, None), error)
            continue
        for entry_point in entry_points:
            provenance = Provenance(
                distribution.name,
                distribution.version,
                f"{entry_point.name} = {entry_point.value}",
            )
            if reason:
                yield PluginReport(provenance, PluginStatus.DISABLED, reason)
            else:
                yield load_plugin(entry_point, provenance)


def _refuse_contradictions(reports: Sequence[PluginReport]) -> list[PluginReport]:
    """Fail the plugins of one distribution that declare one name for different targets."""
    targets = defaultdict(set)
    for report in reports:
        for record in report.components:
            targets[record.kind, record.id].add(record.target)
    checked = []
    for report in reports:
        contradicted = [r for r in report.components if len(targets[r.kind, r.id]) > 1]
        for record in contradicted[:1]:
            declared = " and as ".join(sorted(targets[record.kind, record.id]))
            reason = f"the {record.kind.value} {record.id!r} is declared as {declared}"
            report = PluginReport(report.provenance, PluginStatus.FAILED, reason)
        checked.append(report)
    return checked


def _note_shared_names(core: PluginReport, reports: Sequence[PluginReport]) -> list[PluginReport]:
    """Note in the reports which components are reached by their full ids only."""
    ids = defaultdict(set)
    for report in (core, *reports):
        for record in report.components:
            ids[record.kind, record.name].add(record.id)
    return [
        replace(
            report,
            notes=tuple(
                _note(record, namesakes)
                for record in report.components
                if len(namesakes := ids[record.kind, record.name]) > 1
            ),
        )
        for report in reports
    ]


def _note(record: ComponentRecord, namesakes: set[str]) -> str:
    cores = canonical_id(CORE, record.name)
    others = sorted(namesakes - {record.id})
    meaning = (
        f"means {cores!r}" if cores in namesakes else f"is also {' and '.join(map(repr, others))}"
    )
    return (
        f"the {record.kind.value} {record.name!r} {meaning}; this one is reached as {record.id!r}"
    )


def _raise_if_broken(reports: Iterable[PluginReport]) -> None:
    broken = [report for report in reports if report.problems]
    if broken:
        complaints = "\n".join(_complaint(report) for report in broken)
        cause = next((report.cause for report in broken if report.cause is not None), None)
        raise PluginLoadError(f"{complaints}\n({STRICT} is set)") from cause


def _complaint(report: PluginReport) -> str:
    """Tell what is wrong with a plugin."""
    consequence = "is left out" if report.plugin is None else "is defective"
    return f"The plugin {report.provenance} {consequence}: {'; '.join(report.problems)}"
