"""`quaterion components`: the installed components and their arguments."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from quaterion_core.cli.errors import user_errors
from quaterion_core.plugins import ComponentKind, registry
from quaterion_core.plugins.nearest import unknown_name

if TYPE_CHECKING:
    from quaterion_core.components import Argument

_WIDTH: Final = 100


@dataclass(frozen=True)
class Kind:
    """Kind of component, as the command shows it.

    Attributes:
        title: Heading of its list.
        names: Returns the ids of its components, without importing them.
        load: Imports a component by name.
        arguments: Returns the arguments of a component by name.
    """

    title: str
    names: Callable[[], list[str]]
    load: Callable[[str], type[Any]]
    arguments: Callable[[str], Mapping[str, Argument]]


@click.command()
@click.argument("kind", required=False)
@click.argument("name", required=False)
def components(kind: str | None, name: str | None) -> None:
    """List the components that are installed, or show the arguments of one.

    Without KIND, list the names of all components; with KIND, the components of that kind with a
    summary each; with KIND and NAME, the arguments of one, with their types and defaults.
    """
    with user_errors():
        kinds = _kinds()
        if kind is None:
            lines = [line for each in kinds.values() for line in _names(each)]
        else:
            chosen = kinds.get(kind.rstrip("s")) or kinds.get(kind) or kinds.get(kind[:-2])
            if chosen is None:
                statement = "There is no kind of component"
                raise click.UsageError(
                    unknown_name(statement, kind, kinds, known_as="The kinds are")
                )
            lines = list(_summaries(chosen) if name is None else _details(chosen, name))
    click.echo("\n".join(lines))


def _kinds() -> dict[str, Kind]:
    """Return the kinds of component in recipes, by name; `quaterion --help` lists commands."""
    return {kind.value: _registered(kind) for kind in ComponentKind if kind.is_class}


def _registered(kind: ComponentKind) -> Kind:
    return Kind(
        kind.plural,
        lambda: [record.id for record in registry.components(kind)],
        lambda name: registry.load(kind, name),
        lambda name: _arguments(kind, name),
    )


def _arguments(kind: ComponentKind, name: str) -> Mapping[str, Argument]:
    """Return the arguments of a component."""
    if kind is ComponentKind.OPTIMIZER:
        from quaterion_core.train.optimizers import optimizer_arguments

        return optimizer_arguments(name)
    if kind is ComponentKind.SCHEDULE:
        from quaterion_core.train.schedules import schedule_arguments

        return schedule_arguments(name)
    if kind in (ComponentKind.CALLBACK, ComponentKind.LOGGER):
        from quaterion_core.train.trainer_components import trainer_component_arguments

        return trainer_component_arguments(kind.value, name)
    from quaterion_core.components import arguments_of

    return arguments_of(registry.load(kind, name))


def _names(kind: Kind) -> Iterator[str]:
    """List the names of a kind."""
    listed = ", ".join(kind.names()) or "none"
    yield textwrap.fill(
        f"{kind.title}: {listed}", _WIDTH, subsequent_indent="  ", break_on_hyphens=False
    )


def _summaries(kind: Kind) -> Iterator[str]:
    """List the components of a kind, each with the first sentence of its documentation."""
    names = kind.names()
    width = max(map(len, names), default=0)
    for name in names:
        try:
            summary = _first_lines(kind.load(name))
        except Exception as error:  # a broken plugin may raise anything
            summary = f"cannot be imported: {error}"
        yield f"{name:<{width}}  {textwrap.shorten(summary, _WIDTH, placeholder=' ...')}"


def _details(kind: Kind, name: str) -> Iterator[str]:
    """Show what a component is and which arguments it takes."""
    cls = kind.load(name)
    yield f"{name} ({cls.__module__}.{cls.__qualname__})"
    yield textwrap.fill(_first_lines(cls), _WIDTH, initial_indent="  ", subsequent_indent="  ")
    arguments = kind.arguments(name)
    yield ""
    if not arguments:
        yield "It takes no arguments."
    rows = [_row(argument) for argument in arguments.values()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 2)] if rows else []
    for key, words, default in rows:
        yield f"  {key:<{widths[0]}}  {default:<{widths[1]}}  {words}"


def _row(argument: Argument) -> tuple[str, str, str]:
    """Return name, type and default of an argument, as a recipe would write them."""
    from quaterion_core.components import type_in_words

    return argument.name, type_in_words(argument.annotation), _default(argument)


def _default(argument: Argument) -> str:
    if argument.is_required:
        return "required"
    value = argument.default
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    value = getattr(value, "value", value)  # of an enumeration
    return str(getattr(value, "__name__", value)) or '""'


def _first_lines(cls: type[Any]) -> str:
    """Return the first paragraph of the documentation of a class, in one line."""
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())
