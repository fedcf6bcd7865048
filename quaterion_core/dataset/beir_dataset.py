"""Folders of a retrieval benchmark: a corpus, queries, and judgements (qrels)."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from quaterion_core.dataset.similarity_samples import SimilarityPairSample
from quaterion_core.dataset.split_dataset import SplitDataset

CORPUS: Final = "corpus.jsonl"
QUERIES: Final = "queries.jsonl"
QRELS: Final = "qrels"

_HEADER: Final = ["query-id", "corpus-id", "score"]


def is_beir_folder(folder: Path) -> bool:
    """Return whether a folder holds the files of a retrieval benchmark."""
    return (folder / CORPUS).is_file() and (folder / QUERIES).is_file()


class BeirDataset(SplitDataset):
    r"""Dataset of a folder in the format of BEIR, with TREC judgements.

    The folder holds ``corpus.jsonl`` (``_id``, ``title``, ``text``), ``queries.jsonl`` (``_id``,
    ``text``) and judgements ``qrels/SPLIT.tsv`` with the columns ``query-id``, ``corpus-id`` and
    ``score``, or in the four columns of TREC: query, iteration, document, score.

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
            ValueError: There is no such split, or a line is faulty.
        """
        self.check_split(split)
        documents, queries = self.documents(), self.queries()
        samples = []
        for place, query, document, score in self._judgements(split):
            for kind, name, known in (("query", query, queries), ("document", document, documents)):
                if name not in known:
                    file = QUERIES if kind == "query" else CORPUS
                    raise ValueError(f"{place}: {file} has no {kind} {name!r}.")
            samples.append(SimilarityPairSample(queries[query], documents[document], score))
        if not samples:
            raise ValueError(f"{self._folder / QRELS / split}.tsv has no judgements.")
        any_query = samples[0].obj_a
        judged = {sample.obj_b for sample in samples}
        samples += [
            SimilarityPairSample(any_query, text, 0.0)
            for text in documents.values()
            if text not in judged
        ]
        return samples

    def documents(self) -> dict[str, str]:
        """Return the texts of the documents by id."""
        return {
            name: " ".join(filter(None, [str(row.get("title") or ""), str(row["text"])]))
            for name, row in self._rows(CORPUS)
        }

    def queries(self) -> dict[str, str]:
        """Return the texts of the queries by id."""
        return {name: str(row["text"]) for name, row in self._rows(QUERIES)}

    def _rows(self, file: str) -> Iterator[tuple[str, dict[str, Any]]]:
        path = self._folder / file
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise ValueError(f"{path}, line {number}: not JSON ({error}).") from error
                if not isinstance(row, dict) or not {"_id", "text"} <= row.keys():
                    raise ValueError(
                        f"{path}, line {number}: expected an object with _id and text, got "
                        f"{line.strip()!r:.80}."
                    )
                yield str(row["_id"]), row

    def _judgements(self, split: str) -> Iterator[tuple[str, str, str, float]]:
        path = self._folder / QRELS / f"{split}.tsv"
        with path.open(encoding="utf-8", newline="") as lines:
            for number, row in enumerate(csv.reader(lines, delimiter="\t"), 1):
                fields = row[0].split() if len(row) == 1 else [field.strip() for field in row]
                if not fields or fields == _HEADER:
                    continue
                place = f"{path}, line {number}"
                if len(fields) == 4:
                    del fields[1]  # the iteration, which TREC does not use
                if len(fields) != 3:
                    raise ValueError(
                        f"{place}: expected query, document and score, got {len(row)} columns."
                    )
                try:
                    score = float(fields[2])
                except ValueError:
                    raise ValueError(
                        f"{place}: expected a number as the score, got {fields[2]!r}."
                    ) from None
                yield place, fields[0], fields[1], max(0.0, score)
