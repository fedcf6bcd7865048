"""Loading of one plugin: import, declared components, report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from quaterion_core.plugins.hook_manager import HookManager
from quaterion_core.plugins.hooks import API_VERSION, LIFECYCLE_HOOKS
from quaterion_core.plugins.records import (
    CORE,
    LOCAL,
    Component,
    ComponentKind,
    ComponentRecord,
    canonical_id,
    distribution_of,
    is_id,
    is_name,
    is_target,
)
from quaterion_core.plugins.reports import PluginReport, PluginStatus, Provenance

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint


def load_plugin(entry_point: EntryPoint, provenance: Provenance) -> PluginReport:
    """Import a plugin and collect its components.

    Errors are part of the report; only exceptions such as a keyboard interrupt are passed on.
    """
    if provenance.distribution in (CORE, LOCAL):
        reason = f"the name {provenance.distribution!r} is reserved"
        return PluginReport(provenance, PluginStatus.FAILED, reason)
    try:
        return examine_plugin(entry_point.load(), provenance)
    except (Exception, SystemExit) as error:
        return failure(provenance, error)


def failure(provenance: Provenance, error: BaseException) -> PluginReport:
    """Report a plugin that failed with an exception."""
    return PluginReport(provenance, PluginStatus.FAILED, describe(error), cause=error)


def describe(error: BaseException) -> str:
    r"""Describe an exception in one line.

    Example:
        >>> describe(SystemExit(2)), describe(ValueError("no such\nfile"))
        ('SystemExit: 2', 'ValueError: no such file')
    """
    try:
        message = " ".join(str(error).split())
    except Exception:  # the plugin's own exception may be as broken as the plugin
        message = "(its message cannot be read)"
    return f"{type(error).__name__}: {message}".removesuffix(": ")


def examine_plugin(plugin: object, provenance: Provenance) -> PluginReport:
    """Collect the components of an imported plugin; all of them are accepted or none.

    Raises:
        Exception: Whatever a hook of the plugin raises.
        TypeError: A hook returned something that is not a mapping of components.
        ValueError: A name or a target is malformed.
    """
    api = getattr(plugin, "quaterion_api", None)
    if api != API_VERSION:
        stated = "states no quaterion_api" if api is None else f"is for plugin API {api!r}"
        reason = f"it {stated}; this version of quaterion-core has plugin API {API_VERSION}"
        return PluginReport(provenance, PluginStatus.WRONG_API, reason)
    # Each plugin has a manager of its own, so that a failure needs no cleanup.
    manager = HookManager()
    manager.register(plugin)
    implemented = manager.implemented_by(plugin)
    components = tuple(
        record
        for kind in ComponentKind
        for declared in getattr(manager.hook, kind.hook)()
        for record in _records(kind, declared, provenance)
    )
    hooks = tuple(name for name in implemented if name in LIFECYCLE_HOOKS)
    return PluginReport(
        provenance,
        PluginStatus.OK if components or hooks else PluginStatus.EMPTY,
        "" if components or hooks else "it declares no components and has no hooks",
        components=components,
        hooks=hooks,
        warnings=tuple(manager.misfits),
        plugin=plugin,
    )


def _records(
    kind: ComponentKind, declared: object, provenance: Provenance
) -> Iterator[ComponentRecord]:
    """Check the return value of a component hook and convert it to records."""
    hook = kind.hook
    if not isinstance(declared, Mapping):
        raise TypeError(
            f"{hook} has to return a mapping from names to 'package.module:Class', "
            f"but returned {declared!r}"
        )
    for name, value in declared.items():
        component = Component(value) if isinstance(value, str) else value
        if not isinstance(component, Component):
            raise TypeError(
                f"{hook} has to map {name!r} to 'package.module:Class' or a Component, "
                f"but maps it to {value!r}"
            )
        if not isinstance(name, str) or not is_name(name):
            raise ValueError(
                f"{hook} declares the name {name!r}; a name is lower-case words joined by "
                "hyphens, such as 'byte-pair'"
            )
        if not is_target(component.target):
            raise ValueError(
                f"{hook} declares the target {component.target!r} for {name!r}; a target is "
                "'package.module:Class'"
            )
        _check_former_ids(hook, name, component.former_ids, provenance.distribution)
        yield ComponentRecord(
            kind=kind,
            id=canonical_id(provenance.distribution, name),
            target=component.target,
            extra=component.extra,
            distribution=provenance.distribution,
            version=provenance.version,
            entry_point=provenance.entry_point,
            former_ids=tuple(component.former_ids),
            summary=" ".join(str(component.summary).split()),
        )


def _check_former_ids(hook: str, name: str, former_ids: object, distribution: str) -> None:
    """Refuse former ids that are malformed or that nobody else may take over."""
    if isinstance(former_ids, str) or not isinstance(former_ids, Iterable):
        raise TypeError(
            f"{hook} has to give the former ids of {name!r} as a tuple, but gives {former_ids!r}"
        )
    for former in former_ids:
        if not isinstance(former, str) or not is_id(former):
            raise ValueError(
                f"{hook} declares the former id {former!r} for {name!r}; an id is "
                "'distribution/name', such as 'acme/byte-pair'"
            )
        owner = distribution_of(former)
        if owner in (CORE, LOCAL) and owner != distribution:
            raise ValueError(
                f"{hook} declares the former id {former!r} for {name!r}; ids of {owner!r} "
                "cannot be taken over"
            )
