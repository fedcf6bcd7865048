"""What is checked of a plugin as a whole, and of all that it declares."""

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
    PluginReport,
    PluginStatus,
    Registry,
    is_name,
    registry,
)
from quaterion_core.plugins.component_check import docstring_problem, interface_problem
from quaterion_core.plugins.components import CORE, Component, is_target, normalize
from quaterion_core.plugins.hooks import ENTRY_POINT_GROUP
from quaterion_core.plugins.import_cost import heavy_imports
from quaterion_core.plugins.installed import find_distribution
from quaterion_core.testing.checks import CheckError, Checks, NotApplicableError
from quaterion_core.testing.report import Report

_CORE_MODULE: Final = "quaterion_core.plugins.builtin"
_REQUIREMENT: Final = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*\(?([^;)]*)\)?(;.*)?")
_LOWER_BOUNDS: Final = (">=", ">", "~=", "==")
_UPPER_BOUNDS: Final = ("<", "<=", "~=", "==")


class PluginSubject:
    """The plugins of one distribution.

    Args:
        distribution: Its name, in any spelling that PEP 503 holds equal.
        known: Where to look it up.
    """

    def __init__(self, distribution: str, known: Registry = registry):
        self.distribution = normalize(distribution)
        self.registry = known

    @property
    def reports(self) -> tuple[PluginReport, ...]:
        """What became of its plugins; mostly there is one."""
        return tuple(
            report
            for report in self.registry.plugins()
            if report.provenance.distribution == self.distribution
        )

    @property
    def found(self) -> tuple[PluginReport, ...]:
        """The reports, for a check that needs one.

        Raises:
            NotApplicableError: There is none.
        """
        if not self.reports:
            raise NotApplicableError("it is not found: see the check 'discovery'")
        return self.reports

    @property
    def records(self) -> tuple[ComponentRecord, ...]:
        """The components that are in use."""
        return tuple(record for report in self.reports for record in report.components)

    def classes(self) -> Iterator[tuple[ComponentRecord, type[Any]]]:
        """Yield the components that can be imported.

        Raises:
            NotApplicableError: There is none.
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
    """Check the plugin of an installed distribution; its components are imported, but not built.

    Args:
        distribution: The name of the package, such as ``"acme-similarity"``.
        expected_failures: Why a check fails that cannot be passed, by the name of the check.
        known: Where to look plugins up; by default the registry of this process.

    Returns:
        One result for each check of :data:`PLUGIN_CHECKS`.

    Raises:
        ValueError: There is no check of a name.

    Example:
        >>> check_plugin("quaterion-core").raise_for_failures()
    """
    subject = PluginSubject(distribution, known)
    return PLUGIN_CHECKS.run(subject, subject.distribution, expected_failures)


@PLUGIN_CHECKS.add
def discovery(subject: PluginSubject) -> None:
    """The distribution is not installed, or no entry point names its plugin module.

    Install it (`pip install -e .`), and name the module in `pyproject.toml` under
    `[project.entry-points."quaterion.plugins"]`. After a change there, install it again.
    """
    if subject.reports:
        return
    if find_distribution(subject.distribution) is None:
        raise CheckError(f"there is no installed distribution {subject.distribution!r}")
    raise CheckError(
        f"{subject.distribution!r} is installed, but has no entry point in {ENTRY_POINT_GROUP!r}"
    )


@PLUGIN_CHECKS.add
def api_version(subject: PluginSubject) -> None:
    """The module states no version of the hooks, or another one.

    Write the version that the hooks are written for into the plugin module:
    `quaterion_api = 1`.
    """
    for report in subject.found:
        if report.status is PluginStatus.WRONG_API:
            raise CheckError(f"{report.reason}; expected was quaterion_api = {API_VERSION}")


@PLUGIN_CHECKS.add
def loading(subject: PluginSubject) -> None:
    """The plugin is left out, brings nothing, or has a hook that Quaterion does not know.

    Mend what the message tells; `quaterion plugins` shows the same.
    """
    for report in subject.found:
        if report.status is not PluginStatus.OK and report.status is not PluginStatus.WRONG_API:
            raise CheckError(f"the plugin is {report.status.value}: {report.reason}")
        if report.warnings:
            raise CheckError("; ".join(report.warnings))


@PLUGIN_CHECKS.add
def import_cost(subject: PluginSubject) -> None:
    """Finding the plugin imports torch, transformers, timm or another heavy package.

    Import nothing in the plugin module, and in the packages above it, but
    `quaterion_core.plugins`; name classes as `"package.module:Class"`.
    """
    for report in subject.found:
        module = report.provenance.module or _CORE_MODULE
        heavy = heavy_imports(module)
        if heavy:
            raise CheckError(f"importing {module} imports {', '.join(heavy)}")


@PLUGIN_CHECKS.add
def names(subject: PluginSubject) -> None:
    """The name of a component is malformed, or its target is.

    A name is lower-case words joined by hyphens, such as `byte-pair`; a target is
    `"package.module:Class"`.
    """
    for report in subject.found:
        for hook, declared in _declarations(report):
            for name, value in declared.items():
                target = value.target if isinstance(value, Component) else value
                if not isinstance(name, str) or not is_name(name):
                    raise CheckError(f"{hook} declares the name {name!r}")
                if not isinstance(target, str) or not is_target(target):
                    raise CheckError(f"{hook} declares the target {target!r} for {name!r}")


@PLUGIN_CHECKS.add
def resolution(subject: PluginSubject) -> None:
    """A component that is declared cannot be imported.

    Correct the target, or the import that fails; install the extra that the component needs, and
    declare it: `Component("package.module:Class", extra="name")`.
    """
    if not subject.records:
        raise NotApplicableError("it declares no components, or is left out")
    problems = []
    for record in subject.records:
        try:
            subject.registry.load(record.kind, record.id)
        except MissingComponentError as error:
            problems.append(f"{record.kind.value} {record.name!r}: {error.missing[0].hint}")
    _require_none(problems)


@PLUGIN_CHECKS.add
def interfaces(subject: PluginSubject) -> None:
    """The class of a component is not derived from the interface of its kind.

    Derive from `Encoder`, `EncoderHead`, `SimilarityLoss`, `BaseMetric` or `SplitDataset`, or
    declare the component in the hook of its kind.
    """
    _require_none([interface_problem(*found) for found in subject.classes()])


@PLUGIN_CHECKS.add
def docstrings(subject: PluginSubject) -> None:
    """The class of a component has no docstring.

    Say in one what it is for, what its arguments are, and where it comes from.
    """
    _require_none([docstring_problem(*found) for found in subject.classes()])


@PLUGIN_CHECKS.add
def short_names(subject: PluginSubject) -> None:
    """A short name or a former id belongs to another component that is installed.

    Choose another name, or expect the failure, with the reason: the component is then reached by
    its full id only. Remove a former id that its owner declares, or that another plugin claims.
    """
    _require_none([note for report in subject.found for note in report.notes])


@PLUGIN_CHECKS.add
def requirement(subject: PluginSubject) -> None:
    """The distribution does not require `quaterion-core`, or not between two versions.

    Write `dependencies = ["quaterion-core>=0.2,<0.3"]`, with the versions that it is tested with.
    """
    if subject.distribution == CORE:
        raise NotApplicableError("it is quaterion-core itself")
    found = find_distribution(subject.distribution)
    if found is None:
        raise NotApplicableError("it is not found: see the check 'discovery'")
    requirements = [_REQUIREMENT.fullmatch(text) for text in found.metadata.requires or []]
    versions = [
        match[2] for match in requirements if match and not match[3] and normalize(match[1]) == CORE
    ]
    if not versions:
        raise CheckError("quaterion-core is not among its requirements")
    bounds = [bound.strip() for bound in versions[0].split(",")]
    if not all(_has(bounds, signs) for signs in (_LOWER_BOUNDS, _UPPER_BOUNDS)):
        raise CheckError(
            f"it requires quaterion-core{versions[0]}, expected was a lower and an upper bound"
        )


def _has(bounds: Sequence[str], signs: Sequence[str]) -> bool:
    return any(re.match(r"[<>=~!]*", bound)[0] in signs for bound in bounds)  # type: ignore[index]


def _declarations(report: PluginReport) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Yield what the hooks of a plugin return, whether it is in use or not."""
    try:
        module = importlib.import_module(report.provenance.module or _CORE_MODULE)
    except (Exception, SystemExit) as error:
        raise NotApplicableError("it cannot be imported: see the check 'loading'") from error
    for kind in ComponentKind:
        hook = f"quaterion_{kind.plural}"
        function: Callable[[], Any] | None = getattr(module, hook, None)
        if function is not None:
            declared = function()
            if not isinstance(declared, Mapping):
                raise CheckError(f"{hook} returns {declared!r:.80}, expected was a mapping")
            yield hook, declared


def _require_none(problems: Sequence[str]) -> None:
    problems = [problem for problem in problems if problem]
    if problems:
        raise CheckError("; ".join(problems))
