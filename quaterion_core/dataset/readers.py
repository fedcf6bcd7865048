"""Datasets read from files: JSON lines, CSV and Parquet, with columns named by the user."""

from __future__ import annotations

import csv
import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from quaterion_core.dataset.sample_columns import SampleColumns
from quaterion_core.dataset.similarity_samples import SimilaritySample
from quaterion_core.dataset.split_dataset import SplitDataset

_SURPLUS: Final = "(more values than columns)"


class TableDataset(SplitDataset):
    """The base of readers: one file for each split, one sample for each row.

    Name the columns of either a pair (``obj_a`` and ``obj_b``, optionally ``negatives``, ``score``
    and ``subgroup``) or a group sample (``obj`` and ``group``).

    Args:
        files: Path of the file of each split, such as ``{"train": "train.jsonl"}``.
        obj_a: Column of a pair's first object, the anchor; for retrieval, the query.
        obj_b: Column of a pair's second object, the positive.
        negatives: Column of hard negatives, or several; see
            :class:`~quaterion_core.dataset.sample_columns.SampleColumns`.
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
        negatives: str | Sequence[str] | None = None,
        score: str | None = None,
        subgroup: str | None = None,
        obj: str | None = None,
        group: str | None = None,
    ):
        if not files:
            raise ValueError("files names no split. Give at least {'train': 'path/to/file'}.")
        self._files = {split: Path(path) for split, path in files.items()}
        self._columns = SampleColumns(obj_a, obj_b, negatives, score, subgroup, obj, group)

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
        return [
            sample
            for place, row in self._rows(path)
            for sample in self._columns.samples(row, f"{path}, {place}")
        ]

    def get_config_dict(self) -> dict[str, Any]:
        """Return the files and the columns."""
        files = {split: str(path) for split, path in self._files.items()}
        return {"files": files, **self._columns.get_config_dict()}

    @abstractmethod
    def _rows(self, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each row with its place in the file."""


class JsonLinesDataset(TableDataset):
    """Reads files with one JSON object on each line; see :class:`TableDataset`.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "faq.jsonl")
        >>> _ = file.write_text('{"question": "Is it free?", "answer": "Yes."}')
        >>> JsonLinesDataset({"train": file}, obj_a="question", obj_b="answer").load("train")
        [SimilarityPairSample(obj_a='Is it free?', obj_b='Yes.', score=1.0, subgroup=None)]
    """

    def _rows(self, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        with path.open("rb") as lines:
            for number, line in enumerate(map(bytes.strip, lines), start=1):
                if not line:
                    continue
                try:
                    row = json.loads(line.decode("utf-8-sig"))
                except ValueError as error:  # no UTF-8, or no JSON
                    raise ValueError(
                        f"{path}, line {number} is not JSON: {error}. Expected was one JSON object "
                        f"on each line, but this is {line!r:.60}"
                    ) from None
                if not isinstance(row, dict):
                    raise ValueError(
                        f"{path}, line {number} is not a JSON object, such as "
                        f'{{"column": "value"}}, but {line!r:.60}'
                    )
                yield f"line {number}", row


class CsvDataset(TableDataset):
    r"""Reads CSV files with a header line; see :class:`TableDataset`.

    Values are separated by commas, or by tabs in a file whose name ends with ``.tsv``.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "intents.csv")
        >>> _ = file.write_text("text,intent\nWhere is my card?,card_arrival")
        >>> CsvDataset({"train": file}, obj="text", group="intent").load("train")
        [SimilarityGroupSample(obj='Where is my card?', group='card_arrival')]
    """

    def _rows(self, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        delimiter = "\t" if path.suffix == ".tsv" else ","
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey=_SURPLUS, delimiter=delimiter)
            try:
                self._columns.check(reader.fieldnames or [], f"{path}, line 1")
                for row in reader:
                    if _SURPLUS in row:
                        raise ValueError(
                            f"{path}, line {reader.line_num} has more values than the header's "
                            f"{len(row) - 1} columns: {row[_SURPLUS]!r:.60}. Quote values that "
                            "hold the separator."
                        )
                    yield f"line {reader.line_num}", row
            except csv.Error as error:
                raise ValueError(
                    f"{path}, line {reader.line_num} is not CSV: {error}. Are all quotes closed?"
                ) from None
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path} is not UTF-8 after line {reader.line_num}: {error.reason}."
                ) from None


class ParquetDataset(TableDataset):
    """Reads Parquet files; see :class:`TableDataset`.

    Only the columns that are named are read. It needs pyarrow (``quaterion-core[parquet]``).

    Raises:
        ImportError: pyarrow is missing.

    Example:
        >>> import tempfile
        >>> import pyarrow, pyarrow.parquet
        >>> file = Path(tempfile.mkdtemp(), "faq.parquet")
        >>> table = pyarrow.table({"question": ["Is it free?"], "answer": ["Yes."]})
        >>> pyarrow.parquet.write_table(table, file)
        >>> ParquetDataset({"train": file}, obj_a="question", obj_b="answer").load("train")
        [SimilarityPairSample(obj_a='Is it free?', obj_b='Yes.', score=1.0, subgroup=None)]
    """

    def _rows(self, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        try:
            from pyarrow import ArrowException, parquet
        except ImportError as error:
            raise ImportError(
                'Reading Parquet files takes pyarrow: pip install "quaterion-core[parquet]"'
            ) from error
        try:
            file = parquet.ParquetFile(path)
        except ArrowException as error:
            raise ValueError(f"{path} is not a Parquet file: {error}") from None
        with file:
            self._columns.check(file.schema_arrow.names, str(path))
            number = 0
            for batch in file.iter_batches(columns=self._columns.names):
                for row in batch.to_pylist():
                    yield f"row {number}", row
                    number += 1
