"""Discovery of installed plugins, each loaded independently."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from quaterion_core.plugins.errors import PluginLoadError, PluginWarning
from quaterion_core.plugins.former_ids import claimants, refusal
from quaterion_core.plugins.installed import (
    InstalledDistribution,
    distributions_with_plugins,
    find_distribution,
)
from quaterion_core.plugins.loading import failure, load_plugin
from quaterion_core.plugins.records import CORE, ComponentKind, ComponentRecord, canonical_id
from quaterion_core.plugins.reports import PluginReport, PluginStatus, Provenance
from quaterion_core.plugins.settings import STRICT, PluginSettings


def discover(
    core: PluginReport,
    loaded: Mapping[str, Sequence[PluginReport]],
    path: Sequence[str] | None = None,
) -> tuple[PluginReport, ...]:
    """Load every plugin that is installed and not disabled.

    Args:
        core: Report on core's own components.
        loaded: The reports of distributions that were loaded before, by distribution.
        path: Directories to look for distributions in; ``sys.path`` by default.

    Returns:
        A report on each plugin, sorted by distribution and entry point.

    Raises:
        PluginLoadError: A plugin is broken and ``QUATERION_PLUGINS_STRICT=1`` is set.
    """
    settings = PluginSettings.from_environment()
    reports = [
        report
        for distribution in distributions_with_plugins(path)
        for report in loaded.get(distribution.name) or _load(distribution, settings)
    ]
    reports = _note_claims(_note_shared_names(core, reports))
    _raise_if_strict(reports, settings)
    return tuple(reports)


def discover_distribution(name: str, path: Sequence[str] | None = None) -> tuple[PluginReport, ...]:
    """Load the plugins of one distribution, if it is installed and not disabled.

    Args:
        name: The name of the distribution, normalised as PEP 503 says.
        path: Directories to look for it in; ``sys.path`` by default.

    Returns:
        A report on each of its plugins, sorted by entry point; none if it is not installed.

    Raises:
        PluginLoadError: A plugin is broken and ``QUATERION_PLUGINS_STRICT=1`` is set.
    """
    settings = PluginSettings.from_environment()
    distribution = find_distribution(name, path)
    reports = [] if distribution is None else _load(distribution, settings)
    _raise_if_strict(reports, settings)
    return tuple(reports)


def warn_of_broken(reports: Iterable[PluginReport]) -> None:
    """Issue one :class:`PluginWarning` for each plugin with problems."""
    for report in reports:
        if report.problems:
            warnings.warn(PluginWarning(_complaint(report)), stacklevel=2)


def _load(distribution: InstalledDistribution, settings: PluginSettings) -> list[PluginReport]:
    """Load the plugins of a distribution."""
    return _refuse_contradictions(list(_load_each(distribution, settings)))


def _load_each(
    distribution: InstalledDistribution, settings: PluginSettings
) -> Iterator[PluginReport]:
    reason = settings.reason_to_skip(distribution.name)
    try:
        entry_points = distribution.plugins()
    except Exception as error:
        yield failure(Provenance(distribution.name, distribution.version, None), error)
        return
    for entry_point in entry_points:
        provenance = Provenance(
            distribution.name, distribution.version, f"{entry_point.name} = {entry_point.value}"
        )
        if reason:
            yield PluginReport(provenance, PluginStatus.DISABLED, reason)
        else:
            yield load_plugin(entry_point, provenance)


def _refuse_contradictions(reports: Sequence[PluginReport]) -> list[PluginReport]:
    """Fail plugins of one distribution that declare one id for different targets."""
    targets = defaultdict(set)
    for report in reports:
        for record in report.components:
            for id_ in (record.id, *record.former_ids):
                targets[record.kind, id_].add(record.target)
    return [_checked(report, targets) for report in reports]


def _checked(
    report: PluginReport, targets: Mapping[tuple[ComponentKind, str], set[str]]
) -> PluginReport:
    for record in report.components:
        for id_ in (record.id, *record.former_ids):
            if len(targets[record.kind, id_]) > 1:
                declared = " and as ".join(sorted(targets[record.kind, id_]))
                reason = f"the {record.kind.value} {id_!r} is declared as {declared}"
                return PluginReport(report.provenance, PluginStatus.FAILED, reason)
    return report


def _note_shared_names(core: PluginReport, reports: Sequence[PluginReport]) -> list[PluginReport]:
    """Note in the reports which components are found by their full ids only."""
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


def _note_claims(reports: Sequence[PluginReport]) -> list[PluginReport]:
    """Note in the reports which components are not found by a former id."""
    records = [record for report in reports for record in report.components]
    noted = []
    for report in reports:
        notes = list(report.notes)
        for record in report.components:
            for former in record.former_ids:
                reason = refusal(record, former, reports)
                same_kind = [r for r in records if r.kind is record.kind]
                others = [r.id for r in claimants(former, same_kind, reports) if r is not record]
                if others and not reason:
                    reason = f"it is also claimed for {' and '.join(map(repr, others))}"
                if reason:
                    notes.append(
                        f"the {record.kind.value} {record.id!r} is not found by its former id "
                        f"{former!r}: {reason}"
                    )
        noted.append(replace(report, notes=tuple(notes)))
    return noted


def _raise_if_strict(reports: Iterable[PluginReport], settings: PluginSettings) -> None:
    broken = [report for report in reports if report.problems]
    if settings.strict and broken:
        complaints = "\n".join(_complaint(report) for report in broken)
        cause = next((report.cause for report in broken if report.cause is not None), None)
        raise PluginLoadError(f"{complaints}\n({STRICT} is set)") from cause


def _complaint(report: PluginReport) -> str:
    """Describe the problems of a plugin."""
    consequence = "is left out" if report.plugin is None else "is defective"
    return f"The plugin {report.provenance} {consequence}: {'; '.join(report.problems)}"
