"""`quaterion report`: a page on what a saved model has learned."""

from __future__ import annotations

from pathlib import Path

import click

from quaterion_core.cli.errors import check_exists, check_writable, user_errors
from quaterion_core.cli.evaluate import columns_of, metric_choices


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file", metavar="[DATA]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("report.html"),
    show_default=True,
    help="File for the page. An existing page is replaced.",
)
@click.option(
    "--compare",
    type=click.Path(path_type=Path),
    metavar="OTHER",
    help="Another saved model, to compare MODEL with on the same data.",
)
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
    "--map",
    "map_method",
    type=click.Choice(["pca", "umap"]),
    default="pca",
    show_default=True,
    help="How to draw the map of the embeddings; umap needs quaterion-report[umap].",
)
@click.option(
    "--projector",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Also write the embeddings to a new folder for TensorBoard's projector.",
)
@click.option(
    "--fresh", is_flag=True, help="Evaluate again, even if `quaterion fit` has saved the figures."
)
def report(
    model: Path,
    file: Path | None,
    output: Path,
    compare: Path | None,
    recipe: Path | None,
    data: Path | None,
    columns: tuple[str, ...],
    metrics: tuple[str, ...],
    split: str | None,
    reference: str | None,
    map_method: str,
    projector: Path | None,
    fresh: bool,
) -> None:
    """Write a page on what the saved MODEL has learned, as one HTML file.

    It is evaluated on the validation split of its recipe, or on DATA: a file that is read like
    those of the recipe, or a folder in the format of BEIR.

    A recipe with `plugins: [quaterion-report]` saves the figures with the model. The page is then
    made from these, unless an option asks for others.
    """
    if file is not None and data is not None:
        raise click.UsageError("DATA and --data are the same. Give one of them.")
    data = file if data is None else data
    fields = columns_of(columns)
    if fields and data is None:
        raise click.UsageError("--column names columns of a file. Give DATA, too.")
    with user_errors():
        check_exists(model, compare, recipe, data)
        check_writable(output)
        from quaterion_core.storage import check_output_folder
        from quaterion_report.building import gather, saved_data
        from quaterion_report.page import write_page
        from quaterion_report.projector import write_projector

        if projector is not None:
            check_output_folder(projector)
        asks_for_others = any(
            (compare, recipe, data, metrics, split, reference, projector, map_method != "pca")
        )
        page = None if fresh or asks_for_others else saved_data(model)
        if page is None:
            click.echo(f"Evaluating {model} ...", err=True)
            gathered = gather(
                model,
                recipe,
                compare=compare,
                data=data,
                columns=fields or None,
                metrics=metric_choices(metrics) or None,
                split=split,
                reference=reference,
                map_method=map_method,
            )
            page = gathered.data
            if projector is not None:
                write_projector(gathered, projector)
                click.echo(f"Wrote {projector}. See it:  tensorboard --logdir {projector}")
        size = write_page(page, output)
        click.echo(f"Wrote {output} ({size / 1e6:.1f} MB).")
