"""The command `quaterion`, whose subcommands are components: core's and those of plugins."""

from __future__ import annotations

import click

from quaterion_core.cli.command_group import CommandGroup
from quaterion_core.version import __version__

__all__ = ["main"]


@click.group(cls=CommandGroup)
@click.version_option(__version__, package_name="quaterion-core")
def main() -> None:
    """Fine-tune similarity models."""
