"""`quaterion index`: embed a corpus once, to be searched."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quaterion_core.cli.errors import check_exists, user_errors

if TYPE_CHECKING:
    from quaterion_core.dataset.object_files import FileObject
    from quaterion_core.serving import Index


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path), required=False)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="Folder of the index.", metavar="DIR"
)
@click.option(
    "--to", metavar="URL", help="Store at a URL instead, such as qdrant://localhost:6333/faq."
)
@click.option(
    "--column",
    help="Column of DATA that has the objects; by default 'text'. The others are stored with them.",
)
@click.option("--id", "id_column", help="Column of DATA that has ids; by default from the content.")
@click.option(
    "--recipe",
    type=click.Path(path_type=Path),
    help="Recipe whose dataset is indexed, without DATA; by default the one that the model was "
    "trained with.",
)
@click.option(
    "--store",
    default="exact",
    show_default=True,
    help="Store in the folder, such as exact or '{name: exact, dtype: int8}'.",
)
@click.option("--dim", type=click.IntRange(min=1), help="Truncate embeddings to this size.")
@click.option(
    "--lexical", is_flag=True, help="Index the words of texts, too, for search --lexical."
)
@click.option("--batch-size", default=128, show_default=True, type=click.IntRange(min=1))
@click.option("--delete", "deleted", multiple=True, metavar="ID", help="Remove an object.")
@click.option("--overwrite", is_flag=True, help="Replace an index that is there.")
def index(
    model: Path,
    data: Path | None,
    output: Path | None,
    to: str | None,
    column: str | None,
    id_column: str | None,
    recipe: Path | None,
    store: str,
    dim: int | None,
    lexical: bool,
    batch_size: int,
    deleted: tuple[str, ...],
    overwrite: bool,
) -> None:
    """Embed the objects of DATA with the saved MODEL, and store them to be searched.

    DATA is a table (CSV, JSON lines, Parquet, Excel), a text file with one object per line, or a
    folder of images; by default the dataset that the model was trained on. If the index is there
    already, it is brought up to date: objects that are new or have changed are embedded, also after
    an interruption.
    """
    if (output is None) == (to is None):
        raise click.UsageError("Give the folder of the index, --output DIR, or --to URL.")
    location = str(output) if to is None else to
    with user_errors():
        check_exists(model, recipe)
        from quaterion_core.recipe.yaml_text import parse_yaml
        from quaterion_core.serving.index import Index, exists
        from quaterion_core.utils.counted import counted
        from quaterion_core.utils.embedding_progress import embedding_progress

        if exists(location) and not overwrite:
            opened = Index.open(location, model, read_only=False)
            opened.check_model(model)
        else:
            choice = parse_yaml(store, f"The store {store!r:.60}")
            opened = Index.create(
                location, model, store=choice, dim=dim, lexical=lexical, overwrite=overwrite
            )
        with opened:
            removed = opened.delete(deleted) if deleted else 0
            if data is not None or not deleted:
                rows = _rows(model, data, column, id_column, recipe)
                with embedding_progress():
                    added = opened.add_rows(rows, batch_size=batch_size)
                click.echo(
                    f"Embedded {counted(added.embedded, 'object')}; {added.unchanged:,} unchanged."
                )
            if deleted:
                click.echo(f"Deleted {counted(removed, 'object')}.")
            _report(opened, location)


def _rows(
    model: Path, data: Path | None, column: str | None, id_column: str | None, recipe: Path | None
) -> Iterable[FileObject]:
    from quaterion_core.dataset.object_files import TEXT_COLUMN, objects_in
    from quaterion_core.recipe.corpus import corpus_of

    if data is None:
        return corpus_of(model, recipe)
    return objects_in(data, column=column or TEXT_COLUMN, id_column=id_column)


def _report(index: Index, location: str) -> None:
    from quaterion_core.utils.counted import counted

    click.echo(f"{location} holds {counted(len(index), 'object')}. Search it:")
    click.echo(f'  quaterion search {location} "..."')
