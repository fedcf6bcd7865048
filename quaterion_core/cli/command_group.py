"""Command group with the commands of core and of installed plugins."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import click

from quaterion_core.plugins import (
    ComponentKind,
    ComponentRecord,
    MissingComponentError,
    MissingReason,
    PluginError,
    PluginWarning,
    registry,
)
from quaterion_core.plugins.nearest import unknown_name
from quaterion_core.plugins.records import CORE


class CommandGroup(click.Group):
    """Group of registered commands, each of which is imported only when it is run.

    Core's commands are found without looking at plugins, and their names always refer to them. The
    command of a plugin has its short name if no other command has it, or else its full id.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted(_listed())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command.

        Raises:
            click.UsageError: There is no such command; the message suggests the nearest one.
            click.ClickException: The command cannot be loaded; the message says why.
        """
        try:
            with _plugins_kept_quiet():
                command: object = registry.load(ComponentKind.COMMAND, cmd_name)
        except PluginError as error:
            if _is_unknown(error):
                message = unknown_name(
                    "No such command", cmd_name, _listed(), known_as="The commands are"
                )
                raise click.UsageError(message, ctx) from None
            raise click.ClickException(str(error)) from error
        if not isinstance(command, click.Command):
            raise click.ClickException(
                f"Expected the command {cmd_name!r} to be a click.Command, got {command!r:.80}."
            )
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their summaries, and the plugins that are left out."""
        rows = [
            (name, record.summary or f"A command of {record.distribution}.")
            for name, record in sorted(_listed().items())
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
        left_out = list(_left_out())
        if left_out:
            with formatter.section("Plugins with problems (see quaterion plugins --check)"):
                formatter.write_dl(left_out)


def _listed() -> dict[str, ComponentRecord]:
    """Return all commands by the names that they are called by."""
    try:
        with _plugins_kept_quiet():
            records = registry.components(ComponentKind.COMMAND)
    except PluginError:  # a broken plugin, with QUATERION_PLUGINS_STRICT=1
        records = registry.core_components(ComponentKind.COMMAND)
    names = [record.name for record in records]
    return {
        record.name
        if record.distribution == CORE or names.count(record.name) == 1
        else record.id: record
        for record in records
    }


def _left_out() -> Iterator[tuple[str, str]]:
    """Yield the plugins that have problems, each with the first of them."""
    try:
        with _plugins_kept_quiet():
            reports = registry.plugins()
    except PluginError as error:
        yield "QUATERION_PLUGINS_STRICT", " ".join(str(error).split())
        return
    for report in reports:
        if report.problems:
            yield report.provenance.distribution, report.problems[0]


def _is_unknown(error: PluginError) -> bool:
    """Return whether an error means only that no component has the given name."""
    return (
        isinstance(error, MissingComponentError)
        and error.missing[0].reason is MissingReason.NO_SUCH_NAME
    )


@contextmanager
def _plugins_kept_quiet() -> Iterator[None]:
    """Keep output and warnings of plugins during their import out of a command's output."""
    with redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        yield
