"""Files of TREC: what queries find (a run), and what is relevant to them (qrels)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from quaterion_core.dataset.beir_dataset import BeirDataset
from quaterion_core.dataset.split_dataset import SplitDataset
from quaterion_core.recipe.query_results import QueryResults

RUN_DEPTH: Final = 1000
"""Number of candidates of each query in a run file, as is usual for TREC."""

_TAG: Final = "quaterion"


def write_run(
    path: str | os.PathLike[str], results: QueryResults, dataset: SplitDataset | None = None
) -> None:
    """Write what queries find as a TREC run file: query, Q0, document, rank, score, tag.

    Ids are those of a BEIR folder, else the positions of the objects in the data, such as ``q3``
    and ``d7``.

    Args:
        path: The file.
        results: Results with nearest candidates.
        dataset: The dataset; only the ids of a BEIR folder are read from it.

    Raises:
        ValueError: The results have no nearest candidates, or an id has white space.
    """
    nearest = results.scores.nearest
    if nearest is None:
        raise ValueError("Expected results with nearest candidates. Pass nearest=1000.")
    query_ids, document_ids = _ids(dataset)
    lines = []
    rows, scores = nearest.rows.tolist(), nearest.scores.tolist()
    for query, found, similarities in zip(
        results.scores.queries.tolist(), rows, scores, strict=True
    ):
        name = _id(results, query, query_ids, "q")
        for rank, (row, similarity) in enumerate(zip(found, similarities, strict=True), 1):
            if row >= 0:
                document = _id(results, row, document_ids, "d")
                lines.append(f"{name} Q0 {document} {rank} {similarity:.9g} {_TAG}\n")
    Path(path).write_text("".join(lines), encoding="utf-8")


def write_qrels(
    path: str | os.PathLike[str], results: QueryResults, dataset: SplitDataset | None = None
) -> None:
    """Write what is relevant to queries as a TREC qrels file: query, 0, document, score.

    Args:
        path: The file.
        results: The results.
        dataset: The dataset; only the ids of a BEIR folder are read from it.

    Raises:
        ValueError: An id has white space.
    """
    query_ids, document_ids = _ids(dataset)
    lines = []
    for query, document, gain in results.relevant():
        name = _id(results, query, query_ids, "q")
        lines.append(f"{name} 0 {_id(results, document, document_ids, 'd')} {gain:g}\n")
    Path(path).write_text("".join(lines), encoding="utf-8")


def _ids(dataset: SplitDataset | None) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return ids of queries and documents by text; of equal texts, the first.

    Raises:
        ValueError: An id has white space, which separates the columns of the files.
    """
    if not isinstance(dataset, BeirDataset):
        return {}, {}
    queries, documents = dataset.queries(), dataset.documents()
    for name in (*queries, *documents):
        if not name or len(name.split()) != 1:
            raise ValueError(
                f"Expected ids without white space, which separates the columns of TREC files, got "
                f"{name!r:.80}. Rename it."
            )
    return (
        {text: name for name, text in reversed(list(queries.items()))},
        {text: name for name, text in reversed(list(documents.items()))},
    )


def _id(results: QueryResults, row: int, ids: Mapping[str, str], prefix: str) -> str:
    if not ids:
        return f"{prefix}{row}"
    text: str = results.objects[row]
    return ids[text]
