"""`quaterion evaluate`: the metrics of a saved model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from quaterion_core.cli.errors import check_exists, user_errors


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--recipe",
    type=click.Path(path_type=Path),
    help="Recipe that names data and metrics; by default the one that the model was trained with.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="File to evaluate on instead; it is read like the files of the recipe.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="A column of --data, such as obj_a=question; may be given several times. By default the "
    "columns of the recipe.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="METRIC",
    help="A metric, such as retrieval-precision or '{name: retrieval-precision, k: 5}'; may be "
    "given several times. By default those of the recipe.",
)
@click.option("--split", help="Split to evaluate on; by default the recipe's validation split.")
@click.option(
    "--reference",
    metavar="SPLIT",
    help="For data of groups, split whose objects are found; by default the recipe's, or else the "
    "one that is evaluated, whose objects find each other.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(
    model: Path,
    recipe: Path | None,
    data: Path | None,
    columns: tuple[str, ...],
    metrics: tuple[str, ...],
    split: str | None,
    reference: str | None,
    as_json: bool,
) -> None:
    """Compute the metrics of the saved MODEL over a split of its dataset, or over a new file."""
    fields = columns_of(columns)
    if fields and data is None:
        raise click.UsageError("--column names columns of a file. Give --data, too.")
    with user_errors():
        check_exists(model, recipe, data)
        from rich.console import Console

        from quaterion_core.cli.metrics_table import metrics_table
        from quaterion_core.recipe import evaluate_recipe
        from quaterion_core.storage import json_text

        result = evaluate_recipe(
            model,
            recipe,
            data=data,
            columns=fields or None,
            metrics=metric_choices(metrics) or None,
            split=split,
            reference=reference,
        )
    if as_json:
        report = {
            "split": result.split,
            "reference": result.reference,
            "samples": result.samples,
            "metrics": result.metrics,
        }
        click.echo(json_text(report), nl=False)
    else:
        title = f"{result.split} ({result.samples:,} samples)"
        if result.reference is not None:
            title += f" among {result.reference} ({result.reference_samples:,})"
        Console().print(metrics_table({title: result.metrics}))


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
