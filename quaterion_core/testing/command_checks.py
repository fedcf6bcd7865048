"""Conformance checks for commands."""

from __future__ import annotations

from typing import Any, Final

import click
from click.testing import CliRunner

from quaterion_core.testing.checks import CheckError, Checks
from quaterion_core.testing.comparing import require_interface
from quaterion_core.testing.subject import Subject


class CommandSubject(Subject[Any]):
    """A command under test."""


COMMAND_CHECKS: Final[Checks[CommandSubject]] = Checks("command")


@COMMAND_CHECKS.add
def construction(subject: CommandSubject) -> None:
    """The command cannot be imported.

    Let the hook name the module and the attribute, `"acme.cli:report"`, and fix what importing the
    module raises.
    """
    subject.built()


@COMMAND_CHECKS.add
def interface(subject: CommandSubject) -> None:
    """The target is not a `click.Command`.

    Decorate the function with `@click.command()`.
    """
    require_interface(subject.fresh(), click.Command)


@COMMAND_CHECKS.add
def help_text(subject: CommandSubject) -> None:
    """`quaterion NAME --help` fails, or says nothing about the command.

    Give the function a docstring, which click shows, and keep its options free of conflicts.
    """
    command = subject.fresh()
    result = CliRunner().invoke(command, ["--help"])
    if result.exit_code != 0:
        raise CheckError(f"expected --help to succeed, got the exit code {result.exit_code}")
    if not command.help:
        raise CheckError("expected a help text, got none")


@COMMAND_CHECKS.add
def usage_errors(subject: CommandSubject) -> None:
    """An unknown option is accepted, or raises an exception, instead of a usage error.

    Leave parsing to click: avoid `ignore_unknown_options`, and work before options are parsed.
    """
    result = CliRunner().invoke(subject.fresh(), ["--an-option-that-is-not-there"])
    if result.exit_code != click.UsageError.exit_code:
        raise CheckError(
            f"expected the exit code {click.UsageError.exit_code} for an unknown option, got "
            f"{result.exit_code}"
        )
