"""Plugin manager of Quaterion's hooks, which ignores and reports functions that do not fit."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pluggy

from quaterion_core.plugins.hooks import HOOKS, PROJECT, QuaterionHooks
from quaterion_core.plugins.nearest import nearest, suggestion

if TYPE_CHECKING:
    from pluggy import HookimplOpts, HookspecOpts


class HookManager(pluggy.PluginManager):
    """Plugin manager that registers only the hooks that Quaterion can call.

    A function that is marked as a hook but has an unknown name, or requires arguments that the
    hook does not have, is not registered but listed in :attr:`misfits`.

    Attributes:
        misfits: A message for each function that was ignored.
    """

    def __init__(self) -> None:
        super().__init__(PROJECT)
        self.add_hookspecs(QuaterionHooks)
        self.misfits: list[str] = []

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> HookspecOpts | None:
        """Tell pluggy whether an attribute is a hook's specification; pluggy calls this."""
        # A look at each of the many attributes that every class has would take most of the time.
        return super().parse_hookspec_opts(module_or_class, name) if name in HOOKS else None

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> HookimplOpts | None:
        """Tell pluggy whether an attribute of a plugin is a hook; pluggy calls this."""
        options = super().parse_hookimpl_opts(plugin, name)
        if options is None:
            if name in HOOKS and inspect.isroutine(getattr(plugin, name)):
                self.misfits.append(f"{name} is not marked with @hookimpl and is not called")
            return None
        hook_name = options.get("specname") or name
        misfit = self._misfit(hook_name, getattr(plugin, name))
        if misfit is None:
            return options
        if not options.get("optionalhook"):
            self.misfits.append(misfit)
        return None

    def implemented_by(self, plugin: object) -> list[str]:
        """Return the names of the hooks that a registered plugin implements, sorted."""
        return sorted(caller.name for caller in self.get_hookcallers(plugin) or ())

    def _misfit(self, hook_name: str, function: Any) -> str | None:
        """Return why a hook cannot be called; ``None`` if it can."""
        caller = getattr(self.hook, hook_name, None)
        if caller is None or caller.spec is None:
            hint = suggestion(nearest(hook_name, HOOKS)[:1])
            return f"{hook_name} is no hook of Quaterion; {hint}".removesuffix("; ")
        unknown = [
            parameter.name
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            and (
                parameter.name not in caller.spec.argnames
                or parameter.kind is parameter.KEYWORD_ONLY
            )
        ]
        if unknown:
            offered = ", ".join(caller.spec.argnames) or "no arguments"
            return f"{hook_name} asks for {', '.join(unknown)}, but the hook offers {offered}"
        return None
