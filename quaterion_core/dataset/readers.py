"""Datasets read from files: JSON lines and CSV, with columns named by the user."""

from __future__ import annotations

import csv
import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from quaterion_core.dataset.similarity_samples import (
    SimilarityGroupSample,
    SimilarityPairSample,
    SimilaritySample,
)
from quaterion_core.dataset.split_dataset import SplitDataset


class TableDataset(SplitDataset):
    """The base of readers: one file for each split, one sample for each row.

    Name the columns of either a pair (``obj_a`` and ``obj_b``, optionally ``score`` and
    ``subgroup``) or a group sample (``obj`` and ``group``).

    Args:
        files: Path of the file of each split, such as ``{"train": "train.jsonl"}``.
        obj_a: Column of a pair's first object; for retrieval, the query.
        obj_b: Column of a pair's second object.
        score: Column of a pair's score; without it every pair has score 1.
        subgroup: Column of a pair's subgroup.
        obj: Column of a group sample's object.
        group: Column of a group sample's group.

    Raises:
        ValueError: The columns name neither a pair nor a group sample, or both.
    """

    def __init__(
        self,
        files: Mapping[str, str | Path],
        *,
        obj_a: str | None = None,
        obj_b: str | None = None,
        score: str | None = None,
        subgroup: str | None = None,
        obj: str | None = None,
        group: str | None = None,
    ):
        if not files:
            raise ValueError("files names no split. Give at least {'train': 'path/to/file'}.")
        self._files = {split: Path(path) for split, path in files.items()}
        pair = {"obj_a": obj_a, "obj_b": obj_b, "score": score, "subgroup": subgroup}
        single = {"obj": obj, "group": group}
        self._pair = {field: column for field, column in pair.items() if column is not None}
        self._single = {field: column for field, column in single.items() if column is not None}
        if self._pair and not self._single and {"obj_a", "obj_b"} <= self._pair.keys():
            return
        if self._single.keys() == {"obj", "group"} and not self._pair:
            return
        raise ValueError(
            "Name the columns of a pair (obj_a and obj_b, optionally score and subgroup) or of a "
            f"group sample (obj and group), but got: {', '.join({**self._pair, **self._single})}."
        )

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, as given."""
        return tuple(self._files)

    def load(self, split: str) -> Sequence[SimilaritySample]:
        """Read all samples of a split.

        Raises:
            ValueError: No such split, or a row that cannot be read; the error names the line.
            FileNotFoundError: The split's file is missing.
        """
        self.check_split(split)
        path = self._files[split]
        if not path.is_file():
            raise FileNotFoundError(
                f"The file of the split {split!r} is missing: {path.absolute()}"
            )
        return [self._sample(row, f"{path}, line {line}") for line, row in self._rows(path)]

    def get_config_dict(self) -> dict[str, Any]:
        """Return the files and the columns."""
        files = {split: str(path) for split, path in self._files.items()}
        return {"files": files, **self._pair, **self._single}

    @abstractmethod
    def _rows(self, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield each row with the number of its line."""

    def _sample(self, row: dict[str, Any], place: str) -> SimilaritySample:
        columns = self._pair or self._single
        missing = [column for column in columns.values() if row.get(column) is None]
        if missing:
            raise ValueError(
                f"{place} has no value for {', '.join(map(repr, missing))}. Its columns: "
                f"{', '.join(map(repr, row))}."
            )
        values = {field: row[column] for field, column in columns.items()}
        if self._single:
            return SimilarityGroupSample(**values)
        if "score" in values:
            try:
                values["score"] = float(values["score"])
            except (TypeError, ValueError):
                raise ValueError(
                    f"{place} has the score {values['score']!r}, which is not a number."
                ) from None
        return SimilarityPairSample(**values)


class JsonLinesDataset(TableDataset):
    """Reads files with one JSON object on each line; see :class:`TableDataset`.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "faq.jsonl")
        >>> _ = file.write_text('{"question": "Is it free?", "answer": "Yes."}')
        >>> JsonLinesDataset({"train": file}, obj_a="question", obj_b="answer").load("train")
        [SimilarityPairSample(obj_a='Is it free?', obj_b='Yes.', score=1.0, subgroup=None)]
    """

    def _rows(self, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise ValueError(f"{path}, line {number} is not JSON: {error}.") from None
                if not isinstance(row, dict):
                    raise ValueError(f"{path}, line {number} is not a JSON object: {line:.60}")
                yield number, row


class CsvDataset(TableDataset):
    r"""Reads CSV files with a header line; see :class:`TableDataset`.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "intents.csv")
        >>> _ = file.write_text("text,intent\nWhere is my card?,card_arrival")
        >>> CsvDataset({"train": file}, obj="text", group="intent").load("train")
        [SimilarityGroupSample(obj='Where is my card?', group='card_arrival')]
    """

    def _rows(self, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="(more values than columns)")
            for row in reader:
                yield reader.line_num, row
