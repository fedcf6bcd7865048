"""`quaterion search`: nearest-neighbour search with a saved model."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from quaterion_core.cli.errors import check_exists, user_errors


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("queries", nargs=-1)
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    help="Text file in UTF-8 with one object to search per line.",
)
@click.option(
    "--recipe",
    type=click.Path(path_type=Path),
    help="Recipe whose dataset is searched; by default the one that the model was trained with.",
)
@click.option("--top", default=5, show_default=True, type=click.IntRange(min=1))
def search(
    model: Path, queries: tuple[str, ...], corpus: Path | None, recipe: Path | None, top: int
) -> None:
    """Find the objects whose embeddings by the saved MODEL are nearest to each of the QUERIES.

    Without QUERIES, they are read from standard input, one per line. A model that has prompts for
    queries and documents uses them.
    """
    with user_errors():
        check_exists(model, corpus, recipe)
        from quaterion_core.dataset.object_digest import distinct_positions
        from quaterion_core.dataset.text_roles import as_document, as_query
        from quaterion_core.model import SimilarityModel
        from quaterion_core.recipe.evaluate import dataset_of, recipe_of
        from quaterion_core.recipe.reading import open_recipe, parse_recipe
        from quaterion_core.serving.exact_search import ExactSearch
        from quaterion_core.utils.counted import counted
        from quaterion_core.utils.embedding_progress import embedding_progress

        if corpus is not None:
            objects = lines_of(corpus)
        else:
            settings = recipe_of(model) if recipe is None else parse_recipe(open_recipe(recipe))
            dataset = dataset_of(settings)
            objects = _objects_of(dataset.load(split) for split in dataset.splits)
            objects = [objects[position] for position in distinct_positions(objects)]
        if not objects:
            raise ValueError("There is nothing to search: the corpus has no objects.")
        loaded = SimilarityModel.load(model)
        click.echo(f"Embedding {counted(len(objects), 'object')} ...", err=True)
        with embedding_progress(len(objects)):
            index = ExactSearch(loaded, list(map(as_document, objects)))
        click.echo(f"Searching {counted(len(objects), 'object')}.")
        given: Iterable[str] = queries or sys.stdin
        for query in filter(None, map(str.strip, given)):
            click.echo(f"\n{query}")
            for found in index.search(as_query(query), top):
                click.echo(f"  {found.score:.3f}  {textwrap.shorten(str(found.object), 100)}")


def lines_of(path: Path) -> list[str]:
    """Return the lines of a text file that are not blank.

    Only a line break ends a line; a byte order mark at the start is not part of the text.

    Raises:
        ValueError: The file is not a text file in UTF-8.
    """
    if path.is_dir():
        raise ValueError(f"Expected --corpus to be a text file, but {path} is a folder.")
    try:
        with path.open(encoding="utf-8-sig") as file:
            return [line.rstrip("\n") for line in file if line.strip()]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Expected --corpus to be a text file in UTF-8, but {path} is not: {error.reason} at "
            f"byte {error.start}. Convert it to UTF-8."
        ) from None


def _objects_of(splits: Iterable[Iterable[Any]]) -> list[Any]:
    """List the objects to search: second objects of pairs, or objects of groups."""
    return [
        sample.obj_b if hasattr(sample, "obj_b") else sample.obj
        for samples in splits
        for sample in samples
    ]
