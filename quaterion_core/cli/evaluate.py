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
@click.option(
    "--reference",
    metavar="SPLIT",
    help="For data of groups, split whose objects are found; by default the recipe's, or else the "
    "one that is evaluated, whose objects find each other.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(
    model: Path, recipe: Path | None, split: str | None, reference: str | None, as_json: bool
) -> None:
    """Compute the metrics of the saved MODEL over a split of its dataset."""
    from rich.console import Console

    from quaterion_core.cli.evaluation import evaluate_samples, load_reference, metrics_table
    from quaterion_core.cli.model_data import dataset_of, recipe_of
    from quaterion_core.eval.metric_choices import attached_metrics
    from quaterion_core.model import SimilarityModel
    from quaterion_core.storage import json_text

    with user_errors():
        settings = recipe_of(model, recipe)
        dataset = dataset_of(settings)
        name = split or settings.validation_split(dataset) or settings.splits.train
        samples = dataset.load(name)
        reference = reference or settings.splits.reference
        candidates = load_reference(dataset, reference, {name: samples})
        metrics = attached_metrics(settings.metrics)
        if not metrics:
            raise click.UsageError("The recipe names no metrics.")
        values = evaluate_samples(SimilarityModel.load(model), samples, metrics, candidates)
    if as_json:
        report = {
            "split": name,
            "reference": reference,
            "samples": len(samples),
            "metrics": values,
        }
        click.echo(json_text(report), nl=False)
    else:
        title = f"{name} ({len(samples):,} samples)"
        if candidates is not None:
            title += f" among {reference} ({len(candidates):,})"
        Console().print(metrics_table({title: values}))
