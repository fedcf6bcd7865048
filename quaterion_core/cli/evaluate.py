"""`quaterion evaluate`: the metrics of a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from quaterion_core.cli.data_options import DataOptions, also_as_option, data_options
from quaterion_core.cli.errors import check_exists, check_writable, user_errors

if TYPE_CHECKING:
    from quaterion_core.recipe import EvaluationResult


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@data_options()
@also_as_option
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
    given: DataOptions,
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
    with user_errors():
        check_exists(model, given.recipe, given.data)
        check_writable(run, qrels)
        from quaterion_core.recipe import evaluate_recipe
        from quaterion_core.recipe.trec import RUN_DEPTH, write_qrels, write_run
        from quaterion_core.utils.embedding_progress import embedding_progress

        with embedding_progress():
            result = evaluate_recipe(
                model,
                slices=slices,
                nearest=0 if run is None else RUN_DEPTH,
                **given.arguments(),
            )
    _print(result, as_json=as_json)
    assert result.results is not None
    with user_errors():
        if run is not None:
            write_run(run, result.results, result.dataset)
        if qrels is not None:
            write_qrels(qrels, result.results, result.dataset)


def _print(result: EvaluationResult, *, as_json: bool) -> None:
    from quaterion_core.cli.metrics_table import results_table, slices_table, table_console
    from quaterion_core.storage import json_text

    if as_json:
        click.echo(json_text(result.to_dict()), nl=False)
        return
    title = f"{result.split} ({result.samples:,} samples)"
    if result.reference is not None:
        title += f" among {result.reference} ({result.reference_samples:,})"
    console = table_console()
    console.print(title)
    console.print(results_table(result))
    for by in dict.fromkeys(part.by for part in result.slices):
        console.print()
        console.print(slices_table(by, [part for part in result.slices if part.by == by]))
