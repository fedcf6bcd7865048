"""`quaterion new-plugin`: a package with example components, ready to build, test and change."""

from __future__ import annotations

import importlib.util
import keyword
import sys
from pathlib import Path
from typing import Final

import click

from quaterion_core.cli.errors import user_errors
from quaterion_core.cli.scaffold import EXAMPLES, package_of, plugin_files
from quaterion_core.plugins import is_name
from quaterion_core.plugins.installed import find_distribution
from quaterion_core.plugins.missing import KNOWN_PACKAGES
from quaterion_core.plugins.records import CORE, LOCAL, normalize
from quaterion_core.storage import new_folder
from quaterion_core.version import __version__

_TAKEN: Final = frozenset({CORE, LOCAL, "quaterion", "quaterion-models", *KNOWN_PACKAGES})


@click.command("new-plugin")
@click.argument("name")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in EXAMPLES]),
    help="A kind of component to give an example of; may be given several times. By default all.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="Folder for the package: new, or empty. By default named like the package.",
)
def new_plugin(name: str, kinds: tuple[str, ...], output: Path | None) -> None:
    """Create a package called NAME that adds components to Quaterion.

    It contains an example of each kind of component, tests, the conformance checks, a noxfile and
    a CI workflow. It builds, installs and passes its tests without changes.
    """
    check_plugin_name(name)
    chosen = [kind for kind in EXAMPLES if kind.value in kinds] or list(EXAMPLES)
    target = output or Path(name)
    with user_errors(), new_folder(target) as folder:
        for path, content in plugin_files(name, chosen, __version__):
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
    click.echo(
        f"Wrote {target}. To try it:\n\n"
        f"  cd {target}\n"
        "  pip install --editable . pytest\n"
        "  pytest\n"
        "  quaterion plugins --check"
    )


def check_plugin_name(name: str) -> None:
    """Check that a name can be that of a distribution and, with underscores, of its package.

    Raises:
        click.BadParameter: The message says what is wrong with the name.

    Example:
        >>> check_plugin_name("quaterion-core")
        Traceback (most recent call last):
        click.exceptions.BadParameter: 'quaterion-core' is taken. Choose another name.
    """
    package = package_of(name)
    if not is_name(name):
        normalized = normalize(name).strip("-")
        hint = f" How about {normalized!r}?" if is_name(normalized) else ""
        raise click.BadParameter(
            f"{name!r} is not made of lower-case words joined by hyphens.{hint}"
        )
    if name in _TAKEN:
        raise click.BadParameter(f"{name!r} is taken. Choose another name.")
    if not package.isidentifier() or keyword.iskeyword(package):
        raise click.BadParameter(
            f"{name!r} cannot be the name of a package: Python cannot import {package!r}."
        )
    if package in sys.stdlib_module_names:
        raise click.BadParameter(
            f"{name!r} would hide the module {package!r} of Python's standard library."
        )
    if find_distribution(name, None) is not None or _is_importable(package):
        raise click.BadParameter(
            f"{name!r} would hide the package {package!r}, which is installed. Choose another "
            f"name, such as 'quaterion-{name}'."
        )


def _is_importable(package: str) -> bool:
    """Return whether a package of this name is installed; a mere folder does not count."""
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None
