"""Datasets read from files: JSON lines, CSV and Parquet, with columns named by the user."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from quaterion_core.dataset.sample_columns import Row, SampleColumns
from quaterion_core.dataset.similarity_samples import SimilaritySample
from quaterion_core.dataset.split_dataset import SplitDataset
from quaterion_core.dataset.text_files import (
    check_is_file,
    decode,
    read_csv,
    read_header,
    read_lines,
    read_tsv,
)


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
        score_range: The lowest and the highest score of the data, such as ``[0, 5]``; they become
            0 and 1. By default scores stay as they are.

    A value is missing where it is ``null``, NaN, or a text of nothing but whitespace. A missing
    subgroup states nothing, as ``None`` does; a missing object, group or score is an error.

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
        score_range: Sequence[float] | None = None,
    ):
        if not files:
            raise ValueError("files names no split. Give at least {'train': 'path/to/file'}.")
        self._files = {split: Path(path) for split, path in files.items()}
        self._columns = SampleColumns(
            obj_a, obj_b, negatives, score, subgroup, obj, group, score_range
        )

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, as given."""
        return tuple(self._files)

    def load(self, split: str) -> Sequence[SimilaritySample]:
        """Read all samples of a split.

        Raises:
            ValueError: There is no such split, or the file or some of its rows cannot be read.
                Faulty rows are counted, and the first ones are named.
            FileNotFoundError: The split's file is missing.
        """
        self.check_source(split)
        path = self._files[split]
        return self._columns.read((f"{path}, {place}", row) for place, row in self._rows(path))

    def check_source(self, split: str) -> None:
        """Check that a split exists and that its file is there.

        Raises:
            ValueError: There is no such split.
            FileNotFoundError: The split's file is missing.
        """
        self.check_split(split)
        check_is_file(self._files[split], f"The file of the split {split!r}")

    def get_config_dict(self) -> dict[str, Any]:
        """Return the files and the columns."""
        files = {split: str(path) for split, path in self._files.items()}
        return {"files": files, **self._columns.get_config_dict()}

    @abstractmethod
    def _rows(self, path: Path) -> Iterator[tuple[str, Row]]:
        """Yield the place of each row in the file, and the row."""


class JsonLinesDataset(TableDataset):
    """Reads files with one JSON object on each line; see :class:`TableDataset`.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "faq.jsonl")
        >>> _ = file.write_text('{"question": "Is it free?", "answer": "Yes."}')
        >>> JsonLinesDataset({"train": file}, obj_a="question", obj_b="answer").load("train")
        [SimilarityPairSample(obj_a='Is it free?', obj_b='Yes.', score=1.0, subgroup=None)]
    """

    def _rows(self, path: Path) -> Iterator[tuple[str, Row]]:
        for number, line in read_lines(path):
            text = decode(line, path, number).strip()
            if not text:
                continue
            if number == 1 and text.startswith("["):
                raise ValueError(
                    f"{path}, line {number} begins a JSON array: {text!r:.60}. Expected one JSON "
                    "object per line. Convert the file with: jq -c '.[]'"
                )
            yield f"line {number}", _json_object(text)


def _json_object(text: str) -> dict[str, Any] | ValueError:
    try:
        row = json.loads(text, object_pairs_hook=_with_unique_keys)
    except (ValueError, RecursionError) as error:
        return ValueError(f"is not a JSON object: {error} in {text!r:.60}")
    if not isinstance(row, dict):
        return ValueError(f"is not a JSON object, but {text!r:.60}")
    return row


def _with_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} occurs more than once")
    return row


class CsvDataset(TableDataset):
    r"""Reads CSV files with a header line; see :class:`TableDataset`.

    Values are separated by commas, or by tabs in a file whose name ends with ``.tsv``. A value of a
    CSV file may be quoted (RFC 4180). In a TSV file a quote is a character like others, except for
    one at each end of a value with all quotes between them doubled.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "intents.csv")
        >>> _ = file.write_text("text,intent\nWhere is my card?,card_arrival")
        >>> CsvDataset({"train": file}, obj="text", group="intent").load("train")
        [SimilarityGroupSample(obj='Where is my card?', group='card_arrival')]
    """

    def _rows(self, path: Path) -> Iterator[tuple[str, Row]]:
        rows = read_tsv(path) if path.suffix.lower() == ".tsv" else read_csv(path)
        line, header = next(rows, (1, []))
        names = read_header(header, self._columns.names, f"{path}, line {line}")
        self._columns.check(names, f"{path}, line {line}")
        for number, row in rows:
            if len(row) > len(names):
                fault = (
                    f"has {len(row)} values for the header's {len(names)} columns, from "
                    f"{row[len(names)]!r:.60} on: quote values that contain the separator"
                )
                yield f"line {number}", ValueError(fault)
                continue
            yield f"line {number}", {**dict.fromkeys(names), **dict(zip(names, row, strict=False))}


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

    def _rows(self, path: Path) -> Iterator[tuple[str, Row]]:
        try:
            from pyarrow import ArrowException, parquet
        except ImportError as error:
            raise ImportError(
                'Reading Parquet files takes pyarrow: pip install "quaterion-core[parquet]"'
            ) from error
        try:
            file = parquet.ParquetFile(path)
        except FileNotFoundError:
            raise
        except (ArrowException, OSError) as error:  # OSError for a broken header
            raise ValueError(f"{path} is not a Parquet file: {error}") from None
        with file:
            self._columns.check(file.schema_arrow.names, str(path))
            number = 0
            batches = file.iter_batches(columns=self._columns.names)
            while True:
                try:
                    rows = next(batches, None)
                    rows = None if rows is None else rows.to_pylist()
                except (ArrowException, OSError, UnicodeDecodeError) as error:
                    raise ValueError(f"{path} is a broken Parquet file: {error}") from None
                if rows is None:
                    return
                for row in rows:
                    yield f"row {number}", row
                    number += 1
