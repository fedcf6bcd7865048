"""The hooks of a training run, called for the plugins that the run asks for and for no others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from quaterion_core.plugins.class_paths import import_target
from quaterion_core.plugins.component_registry import Registry, registry
from quaterion_core.plugins.errors import ActivationError
from quaterion_core.plugins.hook_manager import HookManager
from quaterion_core.plugins.hooks import LIFECYCLE_HOOKS
from quaterion_core.plugins.loading import describe
from quaterion_core.plugins.nearest import unknown_name
from quaterion_core.plugins.records import is_target, normalize
from quaterion_core.plugins.reports import PluginReport, PluginStatus

_JOINED: Final = frozenset({"callbacks", "logger"})
"""Arguments of the trainer of which it takes several: those of everybody are used together."""


QUATERION_RUN_HOOKS: Final = "quaterion_run_hooks"


class Lifecycle:
    """The plugins that take part in one training run; :func:`activate` makes it.

    What a hook of theirs raises is passed on.
    """

    __slots__ = ("_hooks", "_output")

    def __init__(self, manager: HookManager, output: Path | None = None):
        self._hooks: Final = manager.hook
        self._output: Final = output

    def trainer_arguments(
        self, defaults: Mapping[str, Any], given: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the arguments of the trainer.

        Args:
            defaults: What holds if neither a plugin nor the user says otherwise.
            given: The user's own arguments. They win.

        Callbacks and loggers of all of them are used together, unless the user switches them on or
        off with ``True`` or ``False``.

        Raises:
            ActivationError: Two plugins propose an argument that the user does not give, or a
                plugin proposes something that is no mapping.

        Example:
            >>> activate([]).trainer_arguments({"max_epochs": -1}, given={"max_epochs": 3})
            {'max_epochs': 3}
        """
        given = {} if given is None else given
        proposed: dict[str, Any] = {}
        proposers: dict[str, str] = {}
        several = [key for key in _JOINED if not isinstance(given.get(key), bool)]
        joined = {
            key: _joined(defaults.get(key), given.get(key))
            for key in several
            if key in {**defaults, **given}
        }
        for hook in self._hooks.quaterion_configure_trainer.get_hookimpls():
            offered = {"trainer_kwargs": {**defaults, **given}, "output": self._output}
            proposal = hook.function(*(offered[name] for name in hook.argnames))
            if proposal is None:
                continue
            if not isinstance(proposal, Mapping):
                raise ActivationError(
                    f"quaterion_configure_trainer of {hook.plugin_name} has to return a mapping of "
                    f"arguments of the trainer, but returned {proposal!r:.80}."
                )
            for key in proposal.keys() & several:
                joined[key] = _joined(joined.get(key), proposal[key])
            for key in proposal.keys() - given.keys() - _JOINED:
                if key in proposers:
                    both = " and ".join(sorted((proposers[key], hook.plugin_name)))
                    raise ActivationError(
                        f"Two plugins set the trainer's {key!r}: {both}. Leave one of them out, "
                        f"or give {key!r} yourself."
                    )
                proposers[key] = hook.plugin_name
                proposed[key] = proposal[key]
        return {**defaults, **proposed, **given, **joined}

    def before_fit(self, trainer: Any, model: Any) -> None:
        """Call ``quaterion_before_fit`` of each plugin, in the order in which they were given."""
        self._hooks.quaterion_before_fit(trainer=trainer, model=model, output=self._output)

    def after_fit(self, trainer: Any, model: Any) -> None:
        """Call ``quaterion_after_fit`` of each plugin, in the order in which they were given."""
        self._hooks.quaterion_after_fit(trainer=trainer, model=model, output=self._output)

    def after_save(self, path: Path, model: Any) -> None:
        """Call ``quaterion_after_save`` of each plugin, in the order in which they were given."""
        self._hooks.quaterion_after_save(path=path, model=model)


def activate(
    plugins: Iterable[str | Mapping[str, Any] | object] | Lifecycle,
    registry: Registry = registry,
    *,
    output: Path | None = None,
) -> Lifecycle:
    """Choose the plugins that take part in a training run.

    Args:
        plugins: Names of distributions or of entry points; mappings of such a ``name`` and of
            settings, ``{"name": "acme", "x": 1}``; or modules and objects that have the hooks
            themselves. A :class:`Lifecycle` is returned as it is.
        registry: Where names are looked up.
        output: The folder that the model will be saved in, if any.

    Raises:
        ActivationError: A name is unknown or means several plugins, a plugin is left out, has no
            hook of a training run, has a hook that cannot be called, or takes other settings.
    """
    if isinstance(plugins, Lifecycle):
        return plugins
    if isinstance(plugins, str) or not isinstance(plugins, Iterable):
        raise TypeError(
            f"Expected a list of plugins, got {plugins!r:.80}. Write [{plugins!r:.80}]."
        )
    chosen: list[tuple[str, object]] = []
    for plugin in plugins:
        if isinstance(plugin, (str, Mapping)):
            chosen += _named(plugin, registry)
        else:
            chosen.append((getattr(plugin, "__name__", repr(plugin)), plugin))
    manager = HookManager()
    # pluggy calls what was registered last first.
    for name, plugin in reversed(chosen):
        if not manager.is_registered(plugin):
            manager.register(plugin, name)
            if manager.misfits:
                raise ActivationError(f"The plugin {name} is defective: {manager.misfits[0]}.")
            if not set(LIFECYCLE_HOOKS).intersection(manager.implemented_by(plugin)):
                raise ActivationError(
                    f"The plugin {name} has nothing to do with a training run: it has none of the "
                    f"hooks {', '.join(LIFECYCLE_HOOKS)}."
                )
    return Lifecycle(manager, output)


def split_plugin(choice: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name and the settings of a plugin.

    Raises:
        ActivationError: A mapping has no ``name``.

    Example:
        >>> split_plugin({"name": "acme", "x": 1})
        ('acme', {'x': 1})
    """
    if isinstance(choice, str):
        return choice, {}
    settings = dict(choice)
    name = settings.pop("name", None)
    if not isinstance(name, str):
        raise ActivationError(
            "Expected the name of a plugin, or a mapping of its name and settings, such as "
            f"{{'name': 'acme', 'x': 1}}, got {dict(choice)!r:.80}, which has no 'name'."
        )
    return name, settings


def run_hooks_classes(name: str, registry: Registry = registry) -> list[type[Any]]:
    """Return the classes whose constructors take the settings of a plugin; mostly one or none.

    Raises:
        ActivationError: There is no such plugin, or the class cannot be imported.
    """
    return [
        cls
        for report in _find(name, registry.plugins())
        if (cls := _run_hooks_class(report)) is not None
    ]


def _named(choice: str | Mapping[str, Any], registry: Registry) -> Iterator[tuple[str, object]]:
    """Yield the plugins of a name, or the instances that they name for runs."""
    name, settings = split_plugin(choice)
    reports = _find(name, registry.plugins())
    if settings and not any(QUATERION_RUN_HOOKS in report.hooks for report in reports):
        raise ActivationError(takes_no_settings(name, settings))
    for report in reports:
        cls = _run_hooks_class(report)
        title = f"{report.provenance} ({report.provenance.entry_point})"
        if cls is None:
            yield title, report.plugin
            continue
        try:
            yield title, cls(**settings)
        except (TypeError, ValueError) as error:
            raise ActivationError(f"The plugin {name!r} refuses its settings: {error}") from error


def takes_no_settings(name: str, settings: Iterable[str]) -> str:
    """Return the error message for settings of a plugin that takes none."""
    given = ", ".join(map(repr, settings))
    return f"The plugin {name!r} takes no settings, got {given}. Name it alone: {name}."


def _run_hooks_class(report: PluginReport) -> type[Any] | None:
    """Import the class that a plugin names for runs, if it names one."""
    if QUATERION_RUN_HOOKS not in report.hooks:
        return None
    target = getattr(report.plugin, QUATERION_RUN_HOOKS)()
    if not isinstance(target, str) or not is_target(target):
        raise ActivationError(
            f"{QUATERION_RUN_HOOKS} of {report.provenance} has to return "
            f"'package.module:Class', but returned {target!r:.80}."
        )
    try:
        return import_target(target)
    except (Exception, SystemExit) as error:
        raise ActivationError(
            f"The plugin {report.provenance} names {target}, which cannot be imported: "
            f"{describe(error)}."
        ) from error


def _joined(first: object, second: object) -> object:
    """Return the callbacks or loggers of two, each once; a switch gives way to what is there."""
    listed = [
        list(value) if isinstance(value, (list, tuple)) else [value]
        for value in (first, second)
        if value is not None and not isinstance(value, bool)
    ]
    if not listed:
        return first if second is None else second
    unique: list[object] = []
    for item in (item for several in listed for item in several):
        if not any(item is present for present in unique):
            unique.append(item)
    return unique


def _find(name: str, reports: Sequence[PluginReport]) -> Sequence[PluginReport]:
    """Find the plugins of a distribution that have hooks of a training run, or one entry point."""
    named = [r for r in reports if r.provenance.distribution == normalize(name)]
    named = named or [r for r in reports if r.provenance.entry_point_name == name]
    distributions = sorted({report.provenance.distribution for report in named})
    if len(distributions) > 1:
        raise ActivationError(
            f"The entry point {name!r} is ambiguous; write {' or '.join(map(repr, distributions))}."
        )
    if not named:
        known = [r.provenance.distribution for r in reports]
        raise ActivationError(
            unknown_name("There is no plugin", name, known, known_as="Installed are")
        )
    for report in named:
        if report.status not in (PluginStatus.OK, PluginStatus.EMPTY):
            raise ActivationError(
                f"The plugin {report.provenance} is left out: {report.reason}."
            ) from report.cause
    return [report for report in named if report.hooks] or named
