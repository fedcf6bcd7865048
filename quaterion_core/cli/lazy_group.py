"""A group of commands that imports a command only to run it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group whose help names its commands without importing them.

    Args:
        lazy_commands: For each command by name where it is, ``"package.module:attribute"``, and
            one line of help.
        **options: The options of :class:`click.Group`.
    """

    def __init__(self, *, lazy_commands: Mapping[str, tuple[str, str]], **options: Any):
        super().__init__(**options)
        self.lazy_commands = lazy_commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, sorted."""
        return sorted(self.lazy_commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; ``None`` if there is none of that name."""
        if cmd_name not in self.lazy_commands:
            return None
        module, _, attribute = self.lazy_commands[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands and their lines of help."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, self.lazy_commands[name][1]) for name in self.list_commands(ctx)]
            )
