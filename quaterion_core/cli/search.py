"""`quaterion search`: what a saved model finds for a query."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from quaterion_core.cli.errors import user_errors


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("queries", nargs=-1)
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    help="Text file with one object to be found on each line.",
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
    """Find the objects that the saved MODEL holds nearest to each of the QUERIES.

    Without queries they are read from the standard input, one on each line. A model that has
    prompts for queries and documents uses them.
    """
    from quaterion_core.cli.model_data import dataset_of, recipe_of
    from quaterion_core.dataset.text_roles import as_document, as_query
    from quaterion_core.model import SimilarityModel
    from quaterion_core.serving.exact_search import ExactSearch

    with user_errors():
        if corpus is not None:
            objects = [
                line for line in corpus.read_text(encoding="utf-8").splitlines() if line.strip()
            ]
        else:
            dataset = dataset_of(recipe_of(model, recipe))
            objects = _distinct(dataset.load(split) for split in dataset.splits)
        index = ExactSearch(SimilarityModel.load(model), list(map(as_document, objects)))
        click.echo(f"Searching {len(objects):,} objects.")
        given: Iterable[str] = queries or sys.stdin
        for query in filter(None, map(str.strip, given)):
            click.echo(f"\n{query}")
            for found in index.search(as_query(query), top):
                click.echo(f"  {found.score:.3f}  {textwrap.shorten(str(found.object), 100)}")


def _distinct(splits: Iterable[Iterable[Any]]) -> list[Any]:
    """List what can be found: second objects of pairs, or objects of groups, each once."""
    return list(
        dict.fromkeys(
            sample.obj_b if hasattr(sample, "obj_b") else sample.obj
            for samples in splits
            for sample in samples
        )
    )
