"""The command `quaterion`. Each subcommand is imported when it is called."""

from __future__ import annotations

import click

from quaterion_core.cli.lazy_group import LazyGroup
from quaterion_core.version import __version__

__all__ = ["main"]


@click.group(
    cls=LazyGroup,
    lazy_commands={
        "components": (
            "quaterion_core.cli.components:components",
            "List what is installed, and the arguments that it takes.",
        ),
        "evaluate": (
            "quaterion_core.cli.evaluate:evaluate",
            "Compute the metrics of a saved model.",
        ),
        "fit": (
            "quaterion_core.cli.fit:fit",
            "Train a model as a recipe says, and save it.",
        ),
        "new-plugin": (
            "quaterion_core.cli.new_plugin:new_plugin",
            "Write a package with components of your own.",
        ),
        "plugins": (
            "quaterion_core.cli.plugins:plugins",
            "List the installed plugins and what they bring.",
        ),
        "search": (
            "quaterion_core.cli.search:search",
            "Find the objects nearest to a query.",
        ),
    },
)
@click.version_option(__version__, package_name="quaterion-core")
def main() -> None:
    """Fine-tune similarity models."""
