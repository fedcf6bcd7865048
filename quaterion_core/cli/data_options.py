"""Options of commands that evaluate models: which data, which metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

_CommandT = TypeVar("_CommandT", bound=Callable[..., Any])


@dataclass(frozen=True)
class DataOptions:
    """What a command evaluates models on.

    Attributes:
        data: A file or folder, if one is given.
        recipe: A recipe, if one is given.
        columns: Columns of the file by field.
        metrics: Metrics as they are written.
        split: A split, if one is given.
        reference: The split whose objects are searched, if one is given.
    """

    data: Path | None
    recipe: Path | None
    columns: dict[str, str]
    metrics: Sequence[str]
    split: str | None
    reference: str | None

    def samples(self) -> dict[str, Any]:
        """Return the arguments of functions that load samples."""
        return {
            "recipe": self.recipe,
            "data": self.data,
            "columns": self.columns or None,
            "split": self.split,
            "reference": self.reference,
        }

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of functions that evaluate models.

        Raises:
            ValueError: A metric is not YAML.
        """
        return {**self.samples(), "metrics": metric_choices(self.metrics) or None}


def data_options(
    *, owner: str = "the model", metrics: bool = True
) -> Callable[[_CommandT], Callable[..., Any]]:
    """Return a decorator that adds the argument DATA and its options to a command.

    The command gets them as its argument ``given``.

    Args:
        owner: The model whose recipe is used by default, for the help.
        metrics: Whether the command computes metrics.
    """
    metric_option = click.option(
        "--metric",
        "metrics",
        multiple=True,
        metavar="METRIC",
        help="A metric, such as retrieval-precision or '{name: retrieval-precision, k: 5}'; may be "
        "given several times. By default those of the recipe.",
    )
    options = [
        click.argument("data", type=click.Path(path_type=Path), required=False),
        click.option(
            "--recipe",
            type=click.Path(path_type=Path),
            help="Recipe that names data and metrics; by default the one that "
            f"{owner} was trained with.",
        ),
        click.option(
            "--column",
            "columns",
            multiple=True,
            metavar="FIELD=COLUMN",
            help="A column of DATA, such as obj_a=question; may be given several times. By default "
            "the columns of the recipe.",
        ),
        *([metric_option] if metrics else []),
        click.option(
            "--split", help="Split to evaluate on; by default the recipe's validation split."
        ),
        click.option(
            "--reference",
            metavar="SPLIT",
            help="For data of groups, split whose objects are found; by default the recipe's, or "
            "else the one that is evaluated, whose objects find each other.",
        ),
    ]

    def add(command: _CommandT) -> Callable[..., Any]:
        @wraps(command)
        def with_given(
            *arguments: Any,
            data: Path | None,
            recipe: Path | None,
            columns: Sequence[str],
            split: str | None,
            reference: str | None,
            metrics: Sequence[str] = (),
            also_data: Path | None = None,
            **others: Any,
        ) -> Any:
            if data is not None and also_data is not None:
                raise click.UsageError("DATA and --data are the same. Give one of them.")
            data = also_data if data is None else data
            fields = columns_of(columns)
            if fields and data is None:
                raise click.UsageError("--column names columns of a file. Give DATA, too.")
            given = DataOptions(data, recipe, fields, metrics, split, reference)
            return command(*arguments, given=given, **others)

        decorated: Callable[..., Any] = with_given
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return add


also_as_option = click.option(
    "--data", "also_data", type=click.Path(path_type=Path), help="The same as DATA."
)
"""Decorator that lets a command with :func:`data_options` take DATA as an option, too."""


def columns_of(given: Sequence[str]) -> dict[str, str]:
    """Return the columns by field.

    Raises:
        click.BadParameter: One is not of the form FIELD=COLUMN.
    """
    fields = {}
    for text in given:
        field, separator, column = text.partition("=")
        if not (separator and field and column):
            raise click.BadParameter(f"Expected FIELD=COLUMN, such as obj=text, got {text!r}.")
        fields[field.strip()] = column.strip()
    return fields


def metric_choices(given: Sequence[str]) -> list[Any]:
    """Return metrics as a recipe chooses them: names, or mappings written as YAML."""
    from quaterion_core.recipe.yaml_text import parse_yaml

    return [parse_yaml(text, f"The metric {text!r:.60}") for text in given]
