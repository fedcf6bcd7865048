"""`quaterion fit`: the whole job, from a recipe to a saved model."""

from __future__ import annotations

from pathlib import Path

import click

from quaterion_core.cli.errors import check_exists, user_errors


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="Folder for the trained model: new, or empty.",
)
@click.option("--overwrite", is_flag=True, help="Replace a model that is saved at --output.")
@click.option("--resume", is_flag=True, help="Continue an interrupted run for this --output.")
@click.option("--check", is_flag=True, help="Check the recipe and stop before anything is done.")
def fit(recipe: Path, output: Path | None, overwrite: bool, resume: bool, check: bool) -> None:
    """Train a model as RECIPE says, and save it.

    The folder also gets the recipe and the figures (report.json).
    """
    if output is None and not check:
        raise click.UsageError("Give --output, the folder for the trained model, or --check.")
    with user_errors():
        check_exists(recipe)
        from quaterion_core.recipe.early import check_early

        check_early(recipe)
        if check:
            _check(recipe, output, overwrite)
        else:
            assert output is not None
            _fit(recipe, output, overwrite, resume)


def _check(recipe: Path, output: Path | None, overwrite: bool) -> None:
    from quaterion_core.recipe import check_recipe

    check_recipe(recipe, output, overwrite)
    checked = "keys, components, values, data files, plugins, trainer"
    click.echo(f"{recipe} can be run. Checked: {checked}{', output folder' if output else ''}.")


def _fit(recipe: Path, output: Path, overwrite: bool, resume: bool) -> None:
    from quaterion_core.cli.metrics_table import metrics_table, table_console
    from quaterion_core.recipe import fit_recipe
    from quaterion_core.train.errors import TrainingInterrupted, TrainingTerminated

    try:
        result = fit_recipe(recipe, output, overwrite, resume=resume, write=click.echo)
    except (TrainingInterrupted, TrainingTerminated) as error:
        if error.checkpoint is not None:
            way = f"quaterion fit {recipe} --output {output}{' --overwrite' if overwrite else ''}"
            click.echo(f"Continue it:  {way} --resume", err=True)
        raise
    if result.after:
        table = metrics_table(
            {"before": result.before, "after": result.after}, intervals=result.intervals
        )
        table_console().print(table)
    epochs = "1 epoch" if result.epochs == 1 else f"{result.epochs} epochs"
    filling = f", after {result.cache_seconds:.1f} s for the cache" if result.is_cached else ""
    kept = f" (kept the weights of epoch {result.best_epoch})" if result.best_epoch else ""
    click.echo(f"Trained for {epochs}{kept} in {result.seconds:.1f} s{filling}; saved to {output}.")
    query = '"your query"' if result.takes_texts else "your_image.png"
    click.echo(f"Try it:  quaterion search {output} {query}")
