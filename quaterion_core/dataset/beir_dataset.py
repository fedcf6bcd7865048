"""Folders of a retrieval benchmark: a corpus, queries, and judgements (qrels)."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, Field, StrictInt, StrictStr, ValidationError

from quaterion_core.dataset.similarity_samples import SimilarityPairSample
from quaterion_core.dataset.split_dataset import SplitDataset

CORPUS: Final = "corpus.jsonl"
QUERIES: Final = "queries.jsonl"
QRELS: Final = "qrels"

_HEADER: Final = ["query-id", "corpus-id", "score"]
_MOST_LISTED: Final = 10


def is_beir_folder(folder: Path) -> bool:
    """Return whether a folder holds the files of a retrieval benchmark."""
    return (folder / CORPUS).is_file() and (folder / QUERIES).is_file()


class BeirDataset(SplitDataset):
    r"""Dataset of a folder in the format of BEIR, with TREC judgements.

    The folder holds ``corpus.jsonl`` (``_id``, ``title``, ``text``), ``queries.jsonl`` (``_id``,
    ``text``) and judgements ``qrels/SPLIT.tsv`` with the columns ``query-id``, ``corpus-id`` and
    ``score``, or in the four columns of TREC: query, iteration, document, score. Scores below 0
    count as 0.

    A sample is a query and a judged document with its score, so that higher scores are higher gains
    of NDCG. Documents that no judgement of the split names come with the score 0, as candidates.
    The text of a document is its title and its text. Documents of the same text are one candidate.

    Source: Thakur et al., BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation of Information
    Retrieval Models, NeurIPS 2021 (datasets and benchmarks).

    Args:
        folder: The folder.

    Raises:
        FileNotFoundError: The folder lacks the corpus, the queries or the judgements.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "corpus.jsonl").write_text('{"_id": "d1", "text": "Yes."}')
        >>> _ = (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "Is it free?"}')
        >>> (folder / "qrels").mkdir()
        >>> _ = (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t2")
        >>> BeirDataset(folder).load("test")
        [SimilarityPairSample(obj_a='Is it free?', obj_b='Yes.', score=2.0, ...)]
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self._folder = Path(folder)
        for name in (CORPUS, QUERIES):
            if not (self._folder / name).is_file():
                raise FileNotFoundError(
                    f"{self._folder} has no {name}. Expected a folder with {CORPUS}, {QUERIES} and "
                    f"{QRELS}/SPLIT.tsv."
                )
        self._splits = tuple(sorted(path.stem for path in (self._folder / QRELS).glob("*.tsv")))
        if not self._splits:
            raise FileNotFoundError(
                f"{self._folder} has no judgements. Expected {QRELS}/SPLIT.tsv, such as "
                f"{QRELS}/test.tsv."
            )

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the files with judgements, ``test`` first if there is one."""
        return tuple(sorted(self._splits, key=lambda split: split != "test"))

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this dataset, as JSON values."""
        return {"folder": str(self._folder)}

    def load(self, split: str) -> list[SimilarityPairSample]:
        """Return the judged pairs of a split, and the other documents with the score 0.

        Raises:
            ValueError: There is no such split, lines are faulty, or no score is above 0.
        """
        self.check_split(split)
        with _line_faults() as faults:
            documents, queries = self._documents(faults), self._queries(faults)
            judgements = self._judgements(split, queries, documents, faults)
        path = self._folder / QRELS / f"{split}.tsv"
        if not judgements:
            raise ValueError(f"{path} has no judgements.")
        if not any(judgements.values()):
            raise ValueError(
                f"Expected a score above 0 in {path}, which says what is relevant, got none in "
                f"{len(judgements):,} judgements."
            )
        samples = [
            SimilarityPairSample(queries[query], documents[document], score)
            for (query, document), score in judgements.items()
        ]
        any_query = samples[0].obj_a
        judged = {sample.obj_b for sample in samples}
        samples += [
            SimilarityPairSample(any_query, text, 0.0)
            for text in documents.values()
            if text not in judged
        ]
        return samples

    def documents(self) -> dict[str, str]:
        """Return the texts of the documents by id.

        Raises:
            ValueError: Lines are faulty.
        """
        with _line_faults() as faults:
            return self._documents(faults)

    def queries(self) -> dict[str, str]:
        """Return the texts of the queries by id.

        Raises:
            ValueError: Lines are faulty.
        """
        with _line_faults() as faults:
            return self._queries(faults)

    def _documents(self, faults: _LineFaults) -> dict[str, str]:
        rows = self._rows(CORPUS, faults)
        return {name: " ".join(filter(None, [row.title, row.text])) for name, row in rows.items()}

    def _queries(self, faults: _LineFaults) -> dict[str, str]:
        return {name: row.text for name, row in self._rows(QUERIES, faults).items()}

    def _rows(self, file: str, faults: _LineFaults) -> dict[str, _Row]:
        rows: dict[str, _Row] = {}
        for place, line in _lines(self._folder / file, faults):
            if not line.strip():
                continue
            try:
                row = _Row.model_validate_json(line)
            except ValidationError:
                faults.add(
                    place,
                    "expected an object with _id and text, of which the text is a string, got "
                    f"{line.strip()!r:.80}",
                )
                continue
            if str(row.id) in rows:
                faults.add(place, f"the id {str(row.id)!r:.80} is already that of an earlier line")
            rows.setdefault(str(row.id), row)
        return rows

    def _judgements(
        self,
        split: str,
        queries: Mapping[str, str],
        documents: Mapping[str, str],
        faults: _LineFaults,
    ) -> dict[tuple[str, str], float]:
        """Return the scores by the ids of query and document."""
        judgements: dict[tuple[str, str], float] = {}
        for place, line in _lines(self._folder / QRELS / f"{split}.tsv", faults):
            # BEIR separates by tabs, TREC by any white space.
            fields = line.split("\t") if "\t" in line else line.split()
            fields = [field.strip().strip('"') for field in fields]
            if not any(fields) or fields == _HEADER:
                continue
            if len(fields) not in (3, 4):
                faults.add(place, f"expected query, document and score, got {len(fields)} columns")
                continue
            query, document, text = fields[0], fields[-2], fields[-1]
            score = _number(text)
            if score is None:
                faults.add(place, f"expected a finite number as the score, got {text!r:.80}")
                continue
            if query not in queries:
                faults.add(place, f"{QUERIES} has no query {query!r:.80}")
            if document not in documents:
                faults.add(place, f"{CORPUS} has no document {document!r:.80}")
            known = judgements.setdefault((query, document), score)
            if known != score:
                faults.add(
                    place,
                    f"the score of {document!r:.80} for {query!r:.80} is {score:g} here, but "
                    f"{known:g} in an earlier line",
                )
        return judgements


class _Row(BaseModel):
    """A document or a query."""

    id: StrictStr | StrictInt = Field(alias="_id")
    text: StrictStr
    title: StrictStr | None = None


class _LineFaults:
    """Faults of lines of several files."""

    def __init__(self) -> None:
        self._faults: list[str] = []

    def add(self, place: str, problem: str) -> None:
        self._faults.append(f"{place}: {problem}.")

    def __str__(self) -> str:
        listed = self._faults[:_MOST_LISTED]
        if len(self._faults) > _MOST_LISTED:
            listed.append(f"And {len(self._faults) - _MOST_LISTED:,} more.")
        return "\n".join(listed)


@contextmanager
def _line_faults() -> Iterator[_LineFaults]:
    """Collect faults within a ``with`` block, and raise a ``ValueError`` that lists them."""
    faults = _LineFaults()
    yield faults
    if str(faults):
        raise ValueError(str(faults))


def _lines(path: Path, faults: _LineFaults) -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each line of a file in UTF-8."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                yield f"{path}, line {number}", line.rstrip("\n")
    except UnicodeDecodeError as error:
        faults.add(str(path), f"expected text in UTF-8 ({error.reason} at byte {error.start})")


def _number(text: str) -> float | None:
    """Return a score, of which those below 0 count as 0, as for trec_eval; ``None`` for others."""
    try:
        score = float(text)
    except ValueError:
        return None
    return max(0.0, score) if math.isfinite(score) else None
