"""`quaterion evaluate`: the metrics of a saved model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from quaterion_core.cli.errors import check_exists, check_writable, user_errors


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file", metavar="[DATA]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--recipe",
    type=click.Path(path_type=Path),
    help="Recipe that names data and metrics; by default the one that the model was trained with.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="The same as DATA.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="A column of DATA, such as obj_a=question; may be given several times. By default the "
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
@click.option(
    "--slice",
    "slices",
    multiple=True,
    metavar="BY",
    help="Also show the metrics over parts of the queries: by group (for pairs, subgroup), length, "
    "seen (whether training has seen the group), or a column of the data; may be given several "
    "times.",
)
@click.option(
    "--run",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the 1,000 nearest objects of each query to a TREC run file.",
)
@click.option(
    "--qrels",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what is relevant to each query to a TREC qrels file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(
    model: Path,
    file: Path | None,
    recipe: Path | None,
    data: Path | None,
    columns: tuple[str, ...],
    metrics: tuple[str, ...],
    split: str | None,
    reference: str | None,
    slices: tuple[str, ...],
    run: Path | None,
    qrels: Path | None,
    as_json: bool,
) -> None:
    """Compute the metrics of the saved MODEL over a split of its dataset, or over DATA.

    DATA is a file that is read like those of the recipe, or a folder in the format of BEIR:
    corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv. Each metric has a 95 % bootstrap interval over
    queries, of which those that are not independent are drawn together.
    """
    if file is not None and data is not None:
        raise click.UsageError("DATA and --data are the same. Give one of them.")
    data = file if data is None else data
    fields = columns_of(columns)
    if fields and data is None:
        raise click.UsageError("--column names columns of a file. Give DATA, too.")
    with user_errors():
        check_exists(model, recipe, data)
        check_writable(run, qrels)
        from quaterion_core.cli.metrics_table import results_table, slices_table, table_console
        from quaterion_core.recipe import evaluate_recipe
        from quaterion_core.recipe.trec import RUN_DEPTH, write_qrels, write_run
        from quaterion_core.storage import json_text
        from quaterion_core.utils.embedding_progress import embedding_progress

        with embedding_progress():
            result = evaluate_recipe(
                model,
                recipe,
                data=data,
                columns=fields or None,
                metrics=metric_choices(metrics) or None,
                split=split,
                reference=reference,
                slices=slices,
                nearest=0 if run is None else RUN_DEPTH,
            )
        assert result.results is not None
        if run is not None:
            write_run(run, result.results, result.dataset)
        if qrels is not None:
            write_qrels(qrels, result.results, result.dataset)
    if as_json:
        click.echo(json_text(result.to_dict()), nl=False)
    else:
        title = f"{result.split} ({result.samples:,} samples)"
        if result.reference is not None:
            title += f" among {result.reference} ({result.reference_samples:,})"
        console = table_console()
        console.print(title)
        console.print(results_table(result))
        for by in dict.fromkeys(part.by for part in result.slices):
            console.print()
            console.print(slices_table(by, [part for part in result.slices if part.by == by]))


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
