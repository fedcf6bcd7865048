"""Advice to the author of a plugin on what to fix, and how."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from quaterion_core.plugins import API_VERSION, PluginReport, PluginStatus
from quaterion_core.plugins.hooks import HOOKS
from quaterion_core.plugins.import_cost import heavy_imports


@dataclass(frozen=True, slots=True)
class CheckedPlugin:
    """Result of the check of one plugin.

    Attributes:
        report: Its report from discovery.
        heavy_imports: The heavy packages that importing its module brings along.
        advice: What to do about each fault.
    """

    report: PluginReport
    heavy_imports: tuple[str, ...]
    advice: tuple[str, ...]


def check_plugins(reports: Iterable[PluginReport]) -> Iterator[CheckedPlugin]:
    """Import each plugin that is in use in a fresh interpreter, and advise on all faults."""
    for report in reports:
        module = report.provenance.module
        heavy = tuple(heavy_imports(module)) if module and report.plugin is not None else ()
        yield CheckedPlugin(report, heavy, tuple(_advice(report, heavy)))


def _advice(report: PluginReport, heavy: tuple[str, ...]) -> Iterator[str]:
    module = report.provenance.module
    if report.status is PluginStatus.WRONG_API and "states no" in report.reason:
        yield f"state quaterion_api = {API_VERSION} in {module}"
    elif report.status is PluginStatus.WRONG_API:
        yield (
            f"bring the hooks of {module} to plugin API {API_VERSION}, state quaterion_api = "
            f"{API_VERSION} there, and require the versions of quaterion-core that have it"
        )
    if report.cause is not None:
        yield _about_exception(report.cause, module)
    if report.status is PluginStatus.EMPTY:
        yield f"declare what the plugin brings: a function of {module} marked with @hookimpl"
    if any(_lacks_marker(warning) for warning in report.warnings):
        yield f"mark the function in {module} with @hookimpl, or give it another name"
    if not all(_lacks_marker(warning) for warning in report.warnings):
        yield (
            f"correct the hook in {module}, or remove its marker; "
            "help(quaterion_core.plugins.QuaterionHooks) lists all hooks with their arguments"
        )
    if heavy:
        yield (
            f"importing {module} imports {', '.join(heavy)}, in every process that looks for a "
            f"component; {module} and the packages above it may import quaterion_core.plugins "
            "only: name each class as 'package.module:Class', which is imported when it is used"
        )


def _about_exception(error: BaseException, module: str) -> str:
    package = module.partition(".")[0]
    declared = re.match(r"(quaterion_\w+) (?:has to|declares)", str(error))
    if declared and isinstance(error, (TypeError, ValueError)):
        return f"correct what {declared[1]} in {module} returns; importing the module works"
    if isinstance(error, SyntaxError) and error.filename:
        name = Path(error.filename).name
        return f"{name}, line {error.lineno}: correct the syntax, {error.msg}"
    frames = _frames_in(package, error)
    place = f"{_place(frames[-1], package)}: " if frames else ""
    if isinstance(error, SystemExit):
        return f"{place}a plugin must not end the program: remove the call of sys.exit"
    hook = next((frame.name for frame in frames if frame.name in HOOKS), None)
    if hook is not None:
        return (
            f"{place}{hook} raised; it is called in every process that looks for a component, "
            "and may only return what there is"
        )
    if isinstance(error, ModuleNotFoundError) and error.name:
        if error.name.partition(".")[0] == package:
            return (
                f"the entry point names {module}, and {error.name!r} is not in the installed "
                "package: correct the entry point, or what the wheel holds"
            )
        return (
            f"{place}add the package that has {error.name!r} to the dependencies, or import it "
            "only in the modules of the components that need it"
        )
    if isinstance(error, ImportError) and (error.name or "").startswith("quaterion_core"):
        return (
            f"{place}require the versions of quaterion-core that have what the plugin imports, or "
            "import what this version has"
        )
    if isinstance(error, AttributeError) and not frames:
        return f"the entry point names an attribute that {module} does not have: correct it"
    return f"{place}`python -c 'import {module}'` has to succeed; it may only declare what there is"


def _lacks_marker(warning: str) -> bool:
    return "not marked with @hookimpl" in warning


def _frames_in(package: str, error: BaseException) -> list[traceback.FrameSummary]:
    """List the frames of an exception that lie in a package, the outermost first."""
    return [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if package in Path(frame.filename).with_suffix("").parts
    ]


def _place(frame: traceback.FrameSummary, package: str) -> str:
    """Name file and line, from the package on."""
    path = Path(frame.filename)
    above = path.with_suffix("").parts.index(package)
    return f"{Path(*path.parts[above:]).as_posix()}, line {frame.lineno}"
