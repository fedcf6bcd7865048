"""`quaterion evaluate`: the metrics of a saved model."""

from __future__ import annotations

from pathlib import Path

import click

from quaterion_core.cli.errors import user_errors


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--recipe",
    type=click.Path(path_type=Path),
    help="Recipe that names data and metrics; by default the one that the model was trained with.",
)
@click.option("--split", help="Split to evaluate on; by default the recipe's validation split.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(model: Path, recipe: Path | None, split: str | None, as_json: bool) -> None:
    """Compute the metrics of the saved MODEL over a split of its dataset."""
    from rich.console import Console

    from quaterion_core.cli.evaluation import evaluate_samples, metrics_table
    from quaterion_core.cli.model_data import dataset_of, recipe_of
    from quaterion_core.eval.metric_choices import attached_metrics
    from quaterion_core.model import SimilarityModel
    from quaterion_core.storage import json_text

    with user_errors():
        settings = recipe_of(model, recipe)
        dataset = dataset_of(settings)
        name = split or settings.validation_split(dataset) or settings.splits.train
        samples = dataset.load(name)
        metrics = attached_metrics(settings.metrics)
        if not metrics:
            raise click.UsageError("The recipe names no metrics.")
        values = evaluate_samples(SimilarityModel.load(model), samples, metrics)
    if as_json:
        click.echo(json_text({"split": name, "samples": len(samples), "metrics": values}), nl=False)
    else:
        Console().print(metrics_table({f"{name} ({len(samples):,} samples)": values}))
