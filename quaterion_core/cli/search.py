"""`quaterion search`: nearest-neighbour search in an index, or with a saved model."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from quaterion_core.cli.errors import check_exists, user_errors

if TYPE_CHECKING:
    from quaterion_core.serving import Index, IndexHit

RATE: Final = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@click.argument("source", metavar="INDEX|MODEL")
@click.argument("queries", nargs=-1)
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    help="With a MODEL: file or folder to search, as `quaterion index` takes it. Embeddings are "
    "kept for the next time.",
)
@click.option("--column", help="Column of the corpus that has the objects; by default 'text'.")
@click.option(
    "--recipe",
    type=click.Path(path_type=Path),
    help="With a MODEL: recipe whose dataset is searched; by default the one that the model was "
    "trained with.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="With an INDEX: the model's folder, if it is not where it was.",
)
@click.option("--top", default=5, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    help="Search only objects with a field like this: 'source=aws,azure', 'year>=2020', "
    "'lang!=en'; may be given several times.",
)
@click.option(
    "--lexical",
    is_flag=True,
    help="Fuse with a ranking by words, which finds names and codes that embeddings miss; for an "
    "INDEX that was made with --lexical.",
)
@click.option(
    "--min-probability",
    type=RATE,
    metavar="P",
    help="Show only matches of at least this probability. This and the rates need a MODEL that "
    "`quaterion calibrate` has calibrated.",
)
@click.option(
    "--false-match-rate",
    type=RATE,
    metavar="RATE",
    help="Show only matches, so that at most this share of the queries without an answer get one.",
)
@click.option(
    "--miss-rate",
    type=RATE,
    metavar="RATE",
    help="Show only matches, so that at most this share of the queries miss their answer.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each query.")
def search(
    source: str,
    queries: tuple[str, ...],
    corpus: Path | None,
    column: str | None,
    recipe: Path | None,
    model: Path | None,
    top: int,
    conditions: tuple[str, ...],
    lexical: bool,
    min_probability: float | None,
    false_match_rate: float | None,
    miss_rate: float | None,
    as_json: bool,
) -> None:
    """Find the objects nearest to each of the QUERIES.

    INDEX is a folder that `quaterion index` made, or the URL of its store. With the folder of a
    MODEL, the data that it was trained on are searched, or those of --corpus. A query is a text, or
    the path of an image. Without QUERIES, they are read from standard input, one per line.
    """
    with user_errors():
        from quaterion_core.matches import MatchRule
        from quaterion_core.serving.index import Index, is_index
        from quaterion_core.serving.stores import all_of, parse_condition
        from quaterion_core.utils.counted import counted

        rule = MatchRule.stated(min_probability, false_match_rate, miss_rate)
        where = all_of([parse_condition(text) for text in conditions])
        if is_index(source):
            _refuse({"--corpus": corpus, "--column": column, "--recipe": recipe}, "a model")
            check_exists(model)
            opened: Any = Index.open(source, model)
        else:
            _refuse({"--model": model}, "an index")
            check_exists(Path(source), corpus, recipe)
            opened = _of_model(Path(source), corpus, column, recipe)
        with opened as index:
            _ = index.model  # loaded before the first query, so that errors come first
            if rule is not None:
                index.check_rule(rule)
            if not as_json:
                click.echo(f"Searching {counted(len(index), 'object')}.")
            given: Iterable[str] = queries or sys.stdin
            for query in filter(None, map(str.strip, given)):
                hits = index.search(_query_of(query), top, where, lexical=lexical, rule=rule)
                _print_json(query, hits) if as_json else _print(query, hits)


@contextmanager
def _of_model(
    model: Path, corpus: Path | None, column: str | None, recipe: Path | None
) -> Iterator[Index]:
    """Open an index of a corpus, which is kept for the next search."""
    from quaterion_core.dataset.object_files import TEXT_COLUMN, objects_in
    from quaterion_core.recipe.corpus import corpus_of
    from quaterion_core.serving.cached_index import cached_index
    from quaterion_core.utils.embedding_progress import embedding_progress

    if corpus is None:
        rows = list(corpus_of(model, recipe))
    else:
        rows = list(objects_in(corpus, column=column or TEXT_COLUMN))
    if not rows:
        raise ValueError("There is nothing to search: the corpus has no objects.")
    with cached_index(model, rows) as index:
        if len(index) == 0:
            click.echo(f"Embedding {len(rows):,} objects ...", err=True)
        with embedding_progress(len(rows)):
            index.add_rows(rows)
        yield index


def _refuse(options: dict[str, object], needed: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise click.UsageError(f"{name} needs {needed}.")


def _query_of(text: str) -> str | Path:
    """Return a query: the path of an image if there is such a file, or else the text."""
    from quaterion_core.dataset.file_kinds import IMAGES

    path = Path(text)
    if path.suffix.lower() in IMAGES and len(text) < 4096 and path.is_file():
        return path
    return text


def _print(query: str, hits: list[IndexHit]) -> None:
    click.echo(f"\n{query}")
    if not hits:
        click.echo("  no match")
    for hit in hits:
        shown = hit.id if hit.object is None else str(hit.object)
        group = hit.payload.get("group")
        suffix = "" if group is None else f"  [{textwrap.shorten(str(group), 30)}]"
        probability = "" if hit.probability is None else f"  {hit.probability:4.0%}"
        click.echo(f"  {hit.score:.3f}{probability}  {textwrap.shorten(shown, 100)}{suffix}")


def _print_json(query: str, hits: list[IndexHit]) -> None:
    results = [hit.to_dict() for hit in hits]
    click.echo(json.dumps({"query": query, "results": results}, ensure_ascii=False))
