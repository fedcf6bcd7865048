"""Conformance checks for a plugin as a whole and everything that it declares."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from quaterion_core.plugins import (
    API_VERSION,
    ComponentKind,
    ComponentRecord,
    MissingComponentError,
    MissingReason,
    PluginReport,
    PluginStatus,
    Registry,
    is_name,
    registry,
)
from quaterion_core.plugins.component_check import docstring_problem, interface_problem
from quaterion_core.plugins.hooks import ENTRY_POINT_GROUP
from quaterion_core.plugins.import_cost import heavy_imports
from quaterion_core.plugins.installed import find_distribution
from quaterion_core.plugins.records import CORE, Component, is_target, normalize
from quaterion_core.testing.checks import CheckError, Checks, NotApplicableError
from quaterion_core.testing.report import Report

_CORE_MODULE: Final = "quaterion_core.plugins.builtin"
_REQUIREMENT: Final = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*\(?([^;)]*)\)?(;.*)?")
_LOWER_BOUNDS: Final = (">=", ">", "~=", "==")
_UPPER_BOUNDS: Final = ("<", "<=", "~=", "==")


class PluginSubject:
    """The plugins of one distribution.

    Args:
        distribution: Name of the distribution, in any spelling that PEP 503 normalizes alike.
        known: Registry in which it is looked up.
    """

    def __init__(self, distribution: str, known: Registry = registry):
        self.distribution = normalize(distribution)
        self.registry = known

    @property
    def reports(self) -> tuple[PluginReport, ...]:
        """Reports on the plugins of the distribution, usually one."""
        return tuple(
            report
            for report in self.registry.plugins()
            if report.provenance.distribution == self.distribution
        )

    @property
    def found(self) -> tuple[PluginReport, ...]:
        """Reports on the plugins, for checks that need at least one.

        Raises:
            NotApplicableError: If no plugin is found.
        """
        if not self.reports:
            raise NotApplicableError("the plugin is not found: see the check 'discovery'")
        return self.reports

    @property
    def records(self) -> tuple[ComponentRecord, ...]:
        """Components that the registry accepted."""
        return tuple(record for report in self.reports for record in report.components)

    def classes(self) -> Iterator[tuple[ComponentRecord, type[Any]]]:
        """Yield the components that can be imported, with their classes.

        Raises:
            NotApplicableError: If no component can be imported.
        """
        loaded = []
        for record in self.records:
            try:
                loaded.append((record, self.registry.load(record.kind, record.id)))
            except MissingComponentError:
                continue
        if not loaded:
            raise NotApplicableError("no component can be imported")
        yield from loaded


PLUGIN_CHECKS: Final = Checks[PluginSubject]("plugin")


def check_plugin(
    distribution: str,
    *,
    expected_failures: Mapping[str, str] | None = None,
    known: Registry = registry,
) -> Report:
    """Check the plugin of an installed distribution. Components are imported, but not built.

    Args:
        distribution: The name of the package, such as ``"acme-similarity"``.
        expected_failures: Reasons for checks that are expected to fail, keyed by their names.
        known: Registry in which plugins are looked up; by default that of this process.

    Returns:
        A report with one result per check in :data:`PLUGIN_CHECKS`.

    Raises:
        ValueError: If ``expected_failures`` names an unknown check.

    Example:
        >>> check_plugin("quaterion-core").raise_for_failures()
    """
    subject = PluginSubject(distribution, known)
    return PLUGIN_CHECKS.run(subject, subject.distribution, expected_failures)


@PLUGIN_CHECKS.add
def discovery(subject: PluginSubject) -> None:
    """The distribution is not installed, or no entry point names its plugin module.

    Install it (`pip install -e .`) and declare the module in `pyproject.toml` under
    `[project.entry-points."quaterion.plugins"]`. Reinstall after changing that table.
    """
    if subject.reports:
        return
    if find_distribution(subject.distribution) is None:
        raise CheckError(f"expected an installed distribution {subject.distribution!r}, found none")
    raise CheckError(
        f"{subject.distribution!r} is installed, but has no entry point in the group "
        f"{ENTRY_POINT_GROUP!r}"
    )


@PLUGIN_CHECKS.add
def api_version(subject: PluginSubject) -> None:
    """The plugin module does not state a supported version of the hook API.

    Define `quaterion_api = 1` in the plugin module.
    """
    for report in subject.found:
        if report.status is PluginStatus.WRONG_API:
            raise CheckError(f"{report.reason}; expected quaterion_api = {API_VERSION}")


@PLUGIN_CHECKS.add
def loading(subject: PluginSubject) -> None:
    """The plugin is skipped, declares nothing, or implements an unknown hook.

    Fix the fault that the message states; `quaterion plugins` shows it as well.
    """
    for report in subject.found:
        if report.status is not PluginStatus.OK and report.status is not PluginStatus.WRONG_API:
            raise CheckError(f"the plugin is {report.status.value}: {report.reason}")
        if report.warnings:
            raise CheckError("; ".join(report.warnings))


@PLUGIN_CHECKS.add
def import_cost(subject: PluginSubject) -> None:
    """Discovering the plugin imports torch, transformers, timm or another heavy package.

    In the plugin module and its parent packages, import only `quaterion_core.plugins`; refer to
    classes as `"package.module:Class"`.
    """
    for report in subject.found:
        module = report.provenance.module or _CORE_MODULE
        heavy = heavy_imports(module)
        if heavy:
            raise CheckError(f"importing {module} imports {', '.join(heavy)}")


@PLUGIN_CHECKS.add
def names(subject: PluginSubject) -> None:
    """The name or the target of a component is malformed.

    Use lower-case words joined by hyphens as the name, such as `byte-pair`, and
    `"package.module:Class"` as the target.
    """
    for report in subject.found:
        for hook, declared in _declarations(report):
            for name, value in declared.items():
                target = value.target if isinstance(value, Component) else value
                if not isinstance(name, str) or not is_name(name):
                    raise CheckError(
                        f"{hook}: expected lower-case words joined by hyphens as the name, got "
                        f"{name!r}"
                    )
                if not isinstance(target, str) or not is_target(target):
                    raise CheckError(
                        f"{hook}: expected 'package.module:Class' as the target of {name!r}, got "
                        f"{target!r}"
                    )


@PLUGIN_CHECKS.add
def resolution(subject: PluginSubject) -> None:
    """A declared component cannot be imported.

    Fix the target or the failing import. If the component needs an extra, declare it with
    `Component("package.module:Class", extra="name")`; without the extra, the component is not
    checked.
    """
    if not subject.records:
        raise NotApplicableError("the plugin declares no components, or is skipped")
    problems = []
    for record in subject.records:
        try:
            subject.registry.load(record.kind, record.id)
        except MissingComponentError as error:
            missing = error.missing[0]
            if missing.reason is not MissingReason.EXTRA_MISSING:
                problems.append(f"{record.kind.value} {record.name!r}: {missing.hint}")
    _require_none(problems)


@PLUGIN_CHECKS.add
def interfaces(subject: PluginSubject) -> None:
    """The class of a component is not derived from the base class of its kind.

    Derive from `Encoder`, `EncoderHead`, `SimilarityLoss`, `BaseMetric` or `SplitDataset`, or
    declare the component in the hook for its kind.
    """
    _require_none([interface_problem(*found) for found in subject.classes()])


@PLUGIN_CHECKS.add
def docstrings(subject: PluginSubject) -> None:
    """The class of a component has no docstring.

    Document its purpose, its arguments and its source.
    """
    _require_none([docstring_problem(*found) for found in subject.classes()])


@PLUGIN_CHECKS.add
def short_names(subject: PluginSubject) -> None:
    """A short name or a former id belongs to another installed component.

    Choose another name, or list the check in `expected_failures`; the component is then available
    under its full id only. Remove a former id that is declared by its owner or by another plugin.
    """
    _require_none([note for report in subject.found for note in report.notes])


@PLUGIN_CHECKS.add
def requirement(subject: PluginSubject) -> None:
    """The distribution does not require `quaterion-core` with a lower and an upper bound.

    Write `dependencies = ["quaterion-core>=0.2,<0.3"]`, with the versions that you test against.
    """
    if subject.distribution == CORE:
        raise NotApplicableError("the distribution is quaterion-core itself")
    found = find_distribution(subject.distribution)
    if found is None:
        raise NotApplicableError("the plugin is not found: see the check 'discovery'")
    requirements = [_REQUIREMENT.fullmatch(text) for text in found.metadata.requires or []]
    versions = [
        match[2] for match in requirements if match and not match[3] and normalize(match[1]) == CORE
    ]
    if not versions:
        raise CheckError("expected a requirement on quaterion-core, found none")
    bounds = [bound.strip() for bound in versions[0].split(",")]
    if not all(_has(bounds, signs) for signs in (_LOWER_BOUNDS, _UPPER_BOUNDS)):
        raise CheckError(
            "expected a lower and an upper bound on quaterion-core, got "
            f"'quaterion-core{versions[0]}'"
        )


def _has(bounds: Sequence[str], signs: Sequence[str]) -> bool:
    return any(re.match(r"[<>=~!]*", bound)[0] in signs for bound in bounds)  # type: ignore[index]


def _declarations(report: PluginReport) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Yield the return values of a plugin's hooks, also if the plugin was skipped."""
    try:
        module = importlib.import_module(report.provenance.module or _CORE_MODULE)
    except (Exception, SystemExit) as error:
        raise NotApplicableError(
            "the plugin cannot be imported: see the check 'loading'"
        ) from error
    for kind in ComponentKind:
        hook = kind.hook
        function: Callable[[], Any] | None = getattr(module, hook, None)
        if function is not None:
            declared = function()
            if not isinstance(declared, Mapping):
                raise CheckError(f"{hook}: expected a mapping, got {declared!r:.80}")
            yield hook, declared


def _require_none(problems: Sequence[str]) -> None:
    problems = [problem for problem in problems if problem]
    if problems:
        raise CheckError("; ".join(problems))
