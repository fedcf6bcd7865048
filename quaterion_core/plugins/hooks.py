"""Specifications of the hooks, and their markers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import pluggy

from quaterion_core.plugins.records import Component, ComponentKind

PROJECT: Final = "quaterion"

ENTRY_POINT_GROUP: Final = "quaterion.plugins"
"""Entry-point group in which a distribution names its plugin module."""

API_VERSION: Final = 1
"""Version of these hooks. A plugin module declares it as ``quaterion_api = 1``."""

hookspec: Final = pluggy.HookspecMarker(PROJECT)
"""Marks a hook's specification."""

hookimpl: Final = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's implementation of a hook."""


class QuaterionHooks(Protocol):
    """Hooks that a plugin can implement; all are optional.

    A plugin is a light module, so that discovery is cheap::

        from quaterion_core.plugins import hookimpl

        quaterion_api = 1

        @hookimpl
        def quaterion_encoders():
            return {"byte-pair": "acme.encoders.byte_pair:BytePairEncoder"}

    and an entry point of its distribution that names the module::

        [project.entry-points."quaterion.plugins"]
        acme = "acme.plugin"

    There is a component hook for each kind of component, such as ``quaterion_losses``; see
    :class:`~quaterion_core.plugins.ComponentKind`. It takes no arguments and returns data: a
    mapping from local names (lower-case words joined by hyphens) to ``"package.module:Class"``, or
    to a :class:`~quaterion_core.plugins.Component` where the class needs an optional extra or had
    other ids before. The class is imported on first use.

    The hooks of a training run are called only for plugins that are given to the run,
    ``fit(..., plugins=[...])``. Their exceptions end the run.
    """

    @hookspec
    def quaterion_run_hooks(self) -> str:
        """Name the class whose instances have the hooks of a training run.

        For a plugin with settings: ``plugins: [{name: acme, x: 1}]`` makes an instance with
        ``x=1`` for the run, and calls its hooks instead of those of the plugin itself. The
        arguments of the constructor are the settings; they are checked against its annotations.

        Returns:
            Where the class is, ``"package.module:Class"``. It is imported for runs that name the
            plugin.
        """

    @hookspec
    def quaterion_configure_trainer(
        self, trainer_kwargs: Mapping[str, Any], output: Path | None
    ) -> Mapping[str, Any]:
        """Propose arguments of the trainer.

        Args:
            trainer_kwargs: The arguments that the trainer would get without any plugin. Those that
                the user gave win over any proposal.
            output: The folder that a recipe's model will be saved in, which may not exist yet;
                ``None`` if the run saves nothing.

        Returns:
            Arguments of ``pytorch_lightning.Trainer``. Callbacks and loggers are joined with those
            of the user and of other plugins. Two plugins that propose the same other argument are
            an error, unless the user gave it.
        """

    @hookspec
    def quaterion_before_fit(self, trainer: Any, model: Any, output: Path | None) -> None:
        """Called when everything is set up, before training starts.

        Args:
            trainer: The ``pytorch_lightning.Trainer``.
            model: The :class:`~quaterion_core.TrainableModel`.
            output: The folder that a recipe's model will be saved in, which may not exist yet;
                ``None`` if the run saves nothing.
        """

    @hookspec
    def quaterion_after_fit(self, trainer: Any, model: Any, output: Path | None) -> None:
        """Called when training has ended without an error.

        Args:
            trainer: The ``pytorch_lightning.Trainer``.
            model: The :class:`~quaterion_core.TrainableModel`.
            output: The folder that a recipe's model will be saved in, which may not exist yet;
                ``None`` if the run saves nothing.
        """

    @hookspec
    def quaterion_after_save(self, path: Path, model: Any) -> None:
        """Called when a recipe's model has been saved, in the process that saved it.

        Args:
            path: The folder that it was saved in.
            model: The :class:`~quaterion_core.SimilarityModel`.
        """


def _component_hook(kind: ComponentKind) -> Callable[..., Mapping[str, str | Component]]:
    def declare(self: object) -> Mapping[str, str | Component]:
        raise NotImplementedError  # a specification, which nothing calls

    declare.__name__ = kind.hook
    declare.__qualname__ = f"{QuaterionHooks.__qualname__}.{kind.hook}"
    declare.__doc__ = (
        f"Declare {kind.plural}, subclasses of :class:`{kind.base.replace(':', '.')}`."
    )
    return hookspec(declare)


for _kind in ComponentKind:
    setattr(QuaterionHooks, _kind.hook, _component_hook(_kind))

HOOKS: Final = frozenset(name for name in vars(QuaterionHooks) if name.startswith("quaterion_"))
"""The names of all hooks."""

LIFECYCLE_HOOKS: Final = (
    "quaterion_run_hooks",
    "quaterion_configure_trainer",
    "quaterion_before_fit",
    "quaterion_after_fit",
    "quaterion_after_save",
)
"""The hooks of a training run."""
