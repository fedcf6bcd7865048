"""`quaterion report`: a page on what a saved model has learned."""

from __future__ import annotations

from pathlib import Path

import click

from quaterion_core.cli.data_options import DataOptions, also_as_option, data_options
from quaterion_core.cli.errors import check_exists, check_writable, user_errors


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@data_options()
@also_as_option
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
    given: DataOptions,
    output: Path,
    compare: Path | None,
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
    with user_errors():
        check_exists(model, compare, given.recipe, given.data)
        check_writable(output)
        from quaterion_core.storage import check_output_folder
        from quaterion_report.building import gather, saved_data
        from quaterion_report.page import write_page
        from quaterion_report.projector import write_projector

        if projector is not None:
            check_output_folder(projector)
        asks_for_others = any(
            (compare, projector, map_method != "pca", *given.arguments().values())
        )
        page = None if fresh or asks_for_others else saved_data(model)
        if page is None:
            click.echo(f"Evaluating {model} ...", err=True)
            gathered = gather(model, compare=compare, map_method=map_method, **given.arguments())
            page = gathered.data
            if projector is not None:
                write_projector(gathered, projector)
                click.echo(f"Wrote {projector}. See it:  tensorboard --logdir {projector}")
        size = write_page(page, output)
        click.echo(f"Wrote {output} ({size / 1e6:.1f} MB).")
