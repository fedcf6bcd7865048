"""Datasets read from JSON, CSV, Excel and Parquet files with named columns."""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from zipfile import ZipFile

from quaterion_core.dataset.file_stream import FileStream
from quaterion_core.dataset.sample_columns import Row, SampleColumns
from quaterion_core.dataset.similarity_samples import SimilaritySample
from quaterion_core.dataset.split_dataset import SplitDataset
from quaterion_core.dataset.splitting import check_fractions, divide
from quaterion_core.dataset.text_files import (
    UTF_8,
    check_encoding_name,
    check_expansion,
    read_csv,
    read_header,
    read_lines,
    read_tsv,
    read_unquoted,
)
from quaterion_core.plugins.nearest import unknown_name
from quaterion_core.storage.errors import printable
from quaterion_core.storage.input_files import check_is_file

Files: TypeAlias = str | Path | Sequence[str | Path]
"""A path, a pattern such as ``"data/*.csv"``, or several of either."""

OnError: TypeAlias = Literal["raise", "skip"]
"""Whether a faulty row raises an error, or is skipped and counted."""

Quoting: TypeAlias = Literal["auto", "standard", "none"]
"""How quotes in a CSV file are interpreted."""

_FRACTION: Final = re.compile(r"0?\.\d+|\d+(\.\d+)?\s*%")
"""String that looks like a fraction."""

_ROWS_AT_ONCE: Final = 8192

_DIVIDED: Final = "train"
"""The split that fractions are taken from."""


class TableDataset(SplitDataset):
    """Base class of readers: one or several files per split, one sample per row.

    The arguments name the columns either of pairs (``obj_a`` and ``obj_b``, optionally
    ``negatives``, ``score`` and ``subgroup``) or of group samples (``obj`` and ``group``). Columns
    of anchors, positives and negatives are ``obj_a``, ``obj_b`` and ``negatives``; train on them
    with the batch sampler ``no-duplicates``, which keeps hard negatives in the batch of their
    anchor.

    Args:
        files: The files of each split: a path, a pattern such as ``"data/*.csv"``, or a list. A
            number between 0 and 1 is the fraction of ``train`` that the split gets instead, such as
            ``{"train": "faq.csv", "validation": 0.1}``: equal objects, and pairs that share an
            object, are in the same split, and each group is divided in this ratio; see
            :func:`~quaterion_core.dataset.splitting.divide`.
        obj_a: Column of a pair's first object, the anchor; for retrieval, the query.
        obj_b: Column of a pair's second object, the positive.
        negatives: Column or columns of hard negatives; see
            :class:`~quaterion_core.dataset.sample_columns.SampleColumns`.
        score: Column of a pair's score; by default every pair has score 1.
        subgroup: Column of a pair's subgroup.
        obj: Column of a group sample's object.
        group: Column of a group sample's group.
        score_range: Lowest and highest score of the data, such as ``[0, 5]``, which are mapped to 0
            and 1. By default, scores are unchanged.
        limit: Maximum number of rows to read per split, before it is divided; all by default.
        on_error: ``"raise"``: rows that lack a value or cannot be read raise an error.
            ``"skip"``: they are skipped, with a warning that counts them.
        seed: Seed of the division into fractions.

    Missing values are ``null``, NaN and blank strings. A missing subgroup becomes ``None``; a
    missing object, group or score is an error.

    Raises:
        ValueError: The columns describe neither pairs nor group samples, or both; or a fraction,
            ``limit`` or ``on_error`` is invalid.
    """

    def __init__(
        self,
        files: Mapping[str, Files | float],
        *,
        obj_a: str | None = None,
        obj_b: str | None = None,
        negatives: str | Sequence[str] | None = None,
        score: str | None = None,
        subgroup: str | None = None,
        obj: str | None = None,
        group: str | None = None,
        score_range: Sequence[float] | None = None,
        limit: int | None = None,
        on_error: OnError = "raise",
        seed: int = 0,
    ):
        if not isinstance(files, Mapping):
            raise TypeError(
                "Expected files as a mapping from splits to files, such as {'train': "
                f"'path/to/file'}}, got {files!r:.80}."
            )
        if not files:
            raise ValueError(
                "Expected files with at least one split, such as {'train': 'path/to/file'}."
            )
        self._fractions = {
            split: float(given) for split, given in files.items() if isinstance(given, (int, float))
        }
        self._given = {
            split: [Path(path) for path in ([given] if isinstance(given, (str, Path)) else given)]
            for split, given in files.items()
            if not isinstance(given, (int, float))
        }
        self._splits = tuple(files)
        self._columns = SampleColumns(
            obj_a, obj_b, negatives, score, subgroup, obj, group, score_range
        )
        self._limit, self._on_error, self._seed = limit, on_error, seed
        self._reads_all_columns = False
        self._needs_columns = True
        self._check_options()

    def _check_options(self) -> None:
        """Check files, fractions, ``limit`` and ``on_error``."""
        if self._fractions:
            check_fractions(list(self._fractions.values()))
            if _DIVIDED not in self._given:
                raise ValueError(
                    f"The splits {', '.join(map(repr, self._fractions))} are fractions of the split"
                    f" {_DIVIDED!r}, which has no file. Give files={{{_DIVIDED!r}: 'path/to/file', "
                    "'validation': 0.1}."
                )
        for split, paths in self._given.items():
            if not paths:
                raise ValueError(f"Expected one or more files for the split {split!r}, got none.")
            if len(paths) == 1 and _FRACTION.fullmatch(str(paths[0])):
                raise ValueError(
                    f"Expected a file or a number for the split {split!r}, got the text "
                    f"{str(paths[0])!r}. Write a fraction as a number, such as 0.1."
                )
        if self._limit is not None and (type(self._limit) is not int or self._limit < 1):
            raise ValueError(
                f"Expected limit to be a positive number of rows, got {self._limit!r}."
            )
        if self._on_error not in ("raise", "skip"):
            raise ValueError(f"Expected on_error to be 'raise' or 'skip', got {self._on_error!r}.")

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, as given."""
        return self._splits

    def load(self, split: str) -> Sequence[SimilaritySample]:
        """Read all samples of a split.

        Raises:
            ValueError: There is no such split, or a file or some of its rows cannot be read, or
                the samples cannot be divided. The message counts faulty rows and lists the
                first ones.
            FileNotFoundError: A file of the split is missing.
        """
        self.check_source(split)
        if self._fractions and (split == _DIVIDED or split in self._fractions):
            return list(self._parts[split])
        return self._read(split)

    def stream(self, split: str, buffer_size: int = 10_000) -> FileStream:
        """Return the samples of a split as a stream, for data that do not fit in memory.

        Args:
            split: Name of a split that is neither a fraction nor divided into fractions.
            buffer_size: Number of samples from which the next one is drawn; 1 keeps the order of
                the files.

        Raises:
            ValueError: There is no such split, or it is divided, which requires all of its samples.
            FileNotFoundError: A file of the split is missing.

        Example:
            >>> import tempfile
            >>> file = Path(tempfile.mkdtemp(), "faq.jsonl")
            >>> _ = file.write_text('{"q": "Is it free?", "a": "Yes."}')
            >>> list(JsonLinesDataset({"train": file}, obj_a="q", obj_b="a").stream("train"))
            [SimilarityPairSample(obj_a='Is it free?', obj_b='Yes.', score=1.0, subgroup=None)]
        """
        self.check_source(split)
        if self._fractions and (split == _DIVIDED or split in self._fractions):
            raise ValueError(
                f"The split {split!r} cannot be streamed, since {_DIVIDED!r} is divided by "
                "fractions, which requires all of its samples in memory. Give each split its own "
                "files."
            )
        return FileStream(self, split, buffer_size)

    def iterate(self, split: str) -> Iterator[SimilaritySample]:
        """Yield the samples of a split in the order of the files, read one after another.

        Raises:
            ValueError: A row cannot be read.
        """
        rows = self._rows_of(split)
        if self._on_error == "skip":
            return self._columns.iterate_sound(rows, f"the split {split!r}")
        return self._columns.iterate(rows)

    def rows(self, split: str) -> Iterator[Row]:
        """Yield the rows of a split as they are in the files, all columns by name.

        Raises:
            ValueError: There is no such split, or a row cannot be read.
            FileNotFoundError: A file of the split is missing.
        """
        self.check_source(split)
        self._reads_all_columns = True
        for place, row in self._rows_of(split):
            if isinstance(row, Exception):
                raise ValueError(f"{place} {row}.") from row
            yield row

    def rows_of_any_columns(self, split: str) -> Iterator[Row]:
        """Yield the rows of a split as :meth:`rows` does, whatever columns there are."""
        self._needs_columns = False
        try:
            yield from self.rows(split)
        finally:
            self._needs_columns = True

    def check_source(self, split: str) -> None:
        """Check that a split exists and that its files are there.

        Raises:
            ValueError: There is no such split.
            FileNotFoundError: A file of the split is missing.
        """
        self.check_split(split)
        for path in self._paths(_DIVIDED if split in self._fractions else split):
            check_is_file(path, f"The file of the split {split!r}")

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this dataset, as JSON values."""
        files: dict[str, Any] = {}
        for split in self._splits:
            if split in self._fractions:
                files[split] = self._fractions[split]
            else:
                paths = [str(path) for path in self._given[split]]
                files[split] = paths[0] if len(paths) == 1 else paths
        options: dict[str, Any] = {}
        if self._limit is not None:
            options["limit"] = self._limit
        if self._on_error != "raise":
            options["on_error"] = self._on_error
        if self._seed:
            options["seed"] = self._seed
        return {"files": files, **self._columns.get_config_dict(), **options}

    def _check_columns(self, names: Sequence[str], place: str) -> None:
        if self._needs_columns:
            self._columns.check(names, place)

    def _read(self, split: str) -> list[SimilaritySample]:
        if self._on_error == "skip":
            return self._columns.read_sound(self._rows_of(split), f"the split {split!r}")
        return self._columns.read(self._rows_of(split))

    @cached_property
    def _parts(self) -> dict[str, list[SimilaritySample]]:
        """The samples of the divided split, and of the fractions of it."""
        parts = divide(self._read(_DIVIDED), list(self._fractions.values()), self._seed)
        return dict(zip((_DIVIDED, *self._fractions), parts, strict=True))

    def _paths(self, split: str) -> list[Path]:
        """Return the files of a split.

        Raises:
            FileNotFoundError: A pattern matches nothing.
        """
        return [path for given in self._given[split] for path in _matching(given, split)]

    def _rows_of(self, split: str) -> Iterator[tuple[str, Row]]:
        rows = (
            (f"{path}, {place}", row)
            for path in self._paths(split)
            for place, row in self._rows(path)
        )
        return islice(rows, self._limit)

    @abstractmethod
    def _rows(self, path: Path) -> Iterator[tuple[str, Row]]:
        """Yield the place of each row in the file, and the row."""


def _matching(given: Path, split: str) -> list[Path]:
    """Return the files that a path or a pattern stands for, sorted."""
    if not any(wildcard in str(given) for wildcard in "*?[") or given.exists():
        return [given]
    anchor = given.anchor
    pattern = str(given).removeprefix(anchor)
    found = sorted(path for path in Path(anchor).glob(pattern) if not path.is_dir())
    if not found:
        raise FileNotFoundError(
            f"The file of the split {split!r} is missing: nothing matches {given.absolute()}"
        )
    return found


class JsonLinesDataset(TableDataset):
    """Dataset read from JSON lines or a JSON array; see :class:`TableDataset`.

    Files compressed with gzip, bzip2, xz or Zstandard (requires pyarrow) are decompressed on the
    fly. An array is read into memory as a whole.

    Args:
        files: Files of each split, or the fraction of ``train`` that the split gets.
        encoding: Encoding of the files, such as ``"utf-8"``, ``"utf-16"``, ``"latin-1"``.
        obj_a: Column of a pair's first object, the anchor; for retrieval, the query.
        obj_b: Column of a pair's second object, the positive.
        negatives: Column or columns of hard negatives.
        score: Column of a pair's score; by default every pair has score 1.
        subgroup: Column of a pair's subgroup.
        obj: Column of a group sample's object.
        group: Column of a group sample's group.
        score_range: The lowest and the highest score of the data, such as ``[0, 5]``.
        limit: Maximum number of rows to read per split; all by default.
        on_error: ``"raise"``, or ``"skip"`` to skip faulty rows with a warning.
        seed: Seed of the division into fractions.

    Raises:
        ValueError: The columns or another option are invalid.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "faq.jsonl")
        >>> _ = file.write_text('{"question": "Is it free?", "answer": "Yes."}')
        >>> JsonLinesDataset({"train": file}, obj_a="question", obj_b="answer").load("train")
        [SimilarityPairSample(obj_a='Is it free?', obj_b='Yes.', score=1.0, subgroup=None)]
    """

    def __init__(
        self,
        files: Mapping[str, Files | float],
        *,
        encoding: str = UTF_8,
        obj_a: str | None = None,
        obj_b: str | None = None,
        negatives: str | Sequence[str] | None = None,
        score: str | None = None,
        subgroup: str | None = None,
        obj: str | None = None,
        group: str | None = None,
        score_range: Sequence[float] | None = None,
        limit: int | None = None,
        on_error: OnError = "raise",
        seed: int = 0,
    ):
        check_encoding_name(encoding)
        self._encoding = encoding
        super().__init__(
            files,
            obj_a=obj_a,
            obj_b=obj_b,
            negatives=negatives,
            score=score,
            subgroup=subgroup,
            obj=obj,
            group=group,
            score_range=score_range,
            limit=limit,
            on_error=on_error,
            seed=seed,
        )

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this dataset, as JSON values."""
        encoding = {} if self._encoding == UTF_8 else {"encoding": self._encoding}
        return {**super().get_config_dict(), **encoding}

    def _rows(self, path: Path) -> Iterator[tuple[str, Row]]:
        lines = (
            (number, text)
            for number, line in read_lines(path, self._encoding)
            if (text := line.strip())
        )
        first = next(lines, None)
        if first is None:
            return
        number, text = first
        if text.startswith("["):
            yield from _array_items(path, [text, *(text for _, text in lines)])
            return
        yield f"line {number}", _json_object(text)
        for number, text in lines:
            yield f"line {number}", _json_object(text)


def _array_items(path: Path, lines: list[str]) -> Iterator[tuple[str, Row]]:
    """Yield the items of a JSON array."""
    try:
        items = json.loads("\n".join(lines), object_pairs_hook=_with_unique_keys)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} begins like a JSON array, but is not JSON: {error}. Expected one array of "
            'objects, such as [{"column": "value"}], or one object on each line.'
        ) from None
    for number, item in enumerate(items):
        yield f"item {number}", item if isinstance(item, dict) else _no_object(repr(item))


def _json_object(text: str) -> Row:
    try:
        row = json.loads(text, object_pairs_hook=_with_unique_keys)
    except (ValueError, RecursionError) as error:
        return ValueError(f"is not a JSON object: {error} in {text!r:.60}")
    return row if isinstance(row, dict) else _no_object(repr(text))


def _no_object(text: str) -> ValueError:
    return ValueError(f"is not a JSON object, but {text:.60}")


def _with_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice!r} occurs more than once")
    return row


class CsvDataset(TableDataset):
    r"""Dataset read from CSV files with a header line; see :class:`TableDataset`.

    Values are separated by commas, or by tabs in a file whose name ends with ``.tsv``. A value of a
    CSV file may be quoted (RFC 4180). In a TSV file, quotes are ordinary characters, unless a value
    begins and ends with one and all quotes inside are doubled. Files compressed with gzip,
    bzip2, xz or Zstandard (requires pyarrow) are decompressed on the fly.

    Args:
        files: Files of each split, or the fraction of ``train`` that the split gets.
        delimiter: The character that separates values, such as ``";"``; by default a tab for
            ``.tsv`` files and a comma for others.
        encoding: Encoding of the files, such as ``"utf-8"``, ``"utf-16"``, ``"latin-1"``.
        quoting: ``"standard"``: values may be quoted, as in RFC 4180. ``"none"``: quotes are
            ordinary characters. ``"auto"``: as described above.
        obj_a: Column of a pair's first object, the anchor; for retrieval, the query.
        obj_b: Column of a pair's second object, the positive.
        negatives: Column or columns of hard negatives.
        score: Column of a pair's score; by default every pair has score 1.
        subgroup: Column of a pair's subgroup.
        obj: Column of a group sample's object.
        group: Column of a group sample's group.
        score_range: The lowest and the highest score of the data, such as ``[0, 5]``.
        limit: Maximum number of rows to read per split; all by default.
        on_error: ``"raise"``, or ``"skip"`` to skip faulty rows with a warning.
        seed: Seed of the division into fractions.

    Raises:
        ValueError: The columns or another option are invalid.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "intents.csv")
        >>> _ = file.write_text("text;intent\nWhere is my card?;card_arrival")
        >>> dataset = CsvDataset({"train": file}, delimiter=";", obj="text", group="intent")
        >>> dataset.load("train")
        [SimilarityGroupSample(obj='Where is my card?', group='card_arrival')]
    """

    def __init__(
        self,
        files: Mapping[str, Files | float],
        *,
        delimiter: str | None = None,
        encoding: str = UTF_8,
        quoting: Quoting = "auto",
        obj_a: str | None = None,
        obj_b: str | None = None,
        negatives: str | Sequence[str] | None = None,
        score: str | None = None,
        subgroup: str | None = None,
        obj: str | None = None,
        group: str | None = None,
        score_range: Sequence[float] | None = None,
        limit: int | None = None,
        on_error: OnError = "raise",
        seed: int = 0,
    ):
        check_encoding_name(encoding)
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise ValueError(
                f"Expected delimiter to be one character, such as ',' or ';' or '\\t', got "
                f"{delimiter!r}."
            )
        if quoting not in ("auto", "standard", "none"):
            raise ValueError(
                f"Expected quoting to be 'auto', 'standard' or 'none', got {quoting!r}."
            )
        self._delimiter, self._encoding, self._quoting = delimiter, encoding, quoting
        super().__init__(
            files,
            obj_a=obj_a,
            obj_b=obj_b,
            negatives=negatives,
            score=score,
            subgroup=subgroup,
            obj=obj,
            group=group,
            score_range=score_range,
            limit=limit,
            on_error=on_error,
            seed=seed,
        )

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this dataset, as JSON values."""
        options = {
            "delimiter": (self._delimiter, None),
            "encoding": (self._encoding, UTF_8),
            "quoting": (self._quoting, "auto"),
        }
        chosen = {name: value for name, (value, usual) in options.items() if value != usual}
        return {**super().get_config_dict(), **chosen}

    def _rows(self, path: Path) -> Iterator[tuple[str, Row]]:
        rows = self._cells(path)
        line, header = next(rows, (1, []))
        place = f"{path}, line {line}"
        names = read_header(header, self._columns.names, place)
        self._check_delimiter(names, place)
        self._check_columns(names, place)
        for number, row in rows:
            if len(row) > len(names):
                fault = (
                    f"has {len(row)} values for the header's {len(names)} columns, from "
                    f"{row[len(names)]!r:.60} on: quote values that contain the separator"
                )
                yield f"line {number}", ValueError(fault)
            else:
                yield f"line {number}", dict.fromkeys(names) | dict(zip(names, row, strict=False))

    def _cells(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        delimiter = self._delimiter or ("\t" if ".tsv" in path.suffixes[-2:] else ",")
        if self._quoting == "none":
            return read_unquoted(path, self._encoding, delimiter)
        if self._quoting == "auto" and delimiter == "\t":
            return read_tsv(path, self._encoding)
        return read_csv(path, self._encoding, delimiter)

    def _check_delimiter(self, names: list[str], place: str) -> None:
        """Check that a header of one column does not hold the needed columns, separated otherwise.

        Raises:
            ValueError: The message names the separator.
        """
        for other in _DELIMITERS:
            parts = [part.strip().strip('"') for name in names for part in name.split(other)]
            if len(names) == 1 and set(self._columns.names) <= set(parts):
                raise ValueError(
                    f"{place} has a single column, {names[0]!r:.80}, which looks like the "
                    f"columns {', '.join(map(repr, parts))}. Pass delimiter={other!r}."
                )


_DELIMITERS: Final = (";", "\t", "|", ",", ":", " ")


class ParquetDataset(TableDataset):
    """Dataset read from Parquet files; see :class:`TableDataset`.

    Only the named columns are read. Requires pyarrow (``quaterion-core[parquet]``).

    Raises:
        ImportError: pyarrow is not installed.

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
                "Reading Parquet files requires pyarrow. Install it with: "
                'pip install "quaterion-core[parquet]"'
            ) from error
        try:
            file = parquet.ParquetFile(path)
        except FileNotFoundError:
            raise
        except (ArrowException, OSError) as error:  # OSError for a broken header
            raise ValueError(f"{path} is not a Parquet file: {printable(str(error))}") from None
        with file:
            self._check_columns(file.schema_arrow.names, str(path))
            every = file.schema_arrow.names
            names = every if self._reads_all_columns else self._columns.names
            check_expansion(path, *_parquet_sizes(file.metadata, names))
            number = 0
            batches = file.iter_batches(_ROWS_AT_ONCE, columns=names)
            while True:
                try:
                    rows = next(batches, None)
                    rows = None if rows is None else rows.to_pylist()
                except (ArrowException, OSError, UnicodeDecodeError) as error:
                    raise ValueError(
                        f"{path} is a broken Parquet file: {printable(str(error))}"
                    ) from None
                if rows is None:
                    return
                for row in rows:
                    yield f"row {number}", row
                    number += 1


def _parquet_sizes(metadata: Any, columns: Collection[str]) -> tuple[int, int]:
    """Return the size of columns before compression, in bytes, and the number of rows."""
    size = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema.partition(".")[0] in columns:
                size += column.total_uncompressed_size
    return size, metadata.num_rows


class ExcelDataset(TableDataset):
    """Dataset read from Excel workbooks (``.xlsx``) with a header row; see :class:`TableDataset`.

    Formulas are read as the values that Excel saved. Requires openpyxl
    (``quaterion-core[excel]``).

    Args:
        files: Files of each split, or the fraction of ``train`` that the split gets.
        sheet: Name of the sheet to read; by default the active one.
        obj_a: Column of a pair's first object, the anchor; for retrieval, the query.
        obj_b: Column of a pair's second object, the positive.
        negatives: Column or columns of hard negatives.
        score: Column of a pair's score; by default every pair has score 1.
        subgroup: Column of a pair's subgroup.
        obj: Column of a group sample's object.
        group: Column of a group sample's group.
        score_range: The lowest and the highest score of the data, such as ``[0, 5]``.
        limit: Maximum number of rows to read per split; all by default.
        on_error: ``"raise"``, or ``"skip"`` to skip faulty rows with a warning.
        seed: Seed of the division into fractions.

    Raises:
        ImportError: openpyxl is not installed; raised when a split is loaded.
        ValueError: The columns or another option are invalid.

    Example:
        >>> import tempfile
        >>> import openpyxl
        >>> file = Path(tempfile.mkdtemp(), "intents.xlsx")
        >>> workbook = openpyxl.Workbook()
        >>> workbook.active.append(["text", "intent"])
        >>> workbook.active.append(["Where is my card?", "card_arrival"])
        >>> workbook.save(file)
        >>> ExcelDataset({"train": file}, obj="text", group="intent").load("train")
        [SimilarityGroupSample(obj='Where is my card?', group='card_arrival')]
    """

    def __init__(
        self,
        files: Mapping[str, Files | float],
        *,
        sheet: str | None = None,
        obj_a: str | None = None,
        obj_b: str | None = None,
        negatives: str | Sequence[str] | None = None,
        score: str | None = None,
        subgroup: str | None = None,
        obj: str | None = None,
        group: str | None = None,
        score_range: Sequence[float] | None = None,
        limit: int | None = None,
        on_error: OnError = "raise",
        seed: int = 0,
    ):
        self._sheet = sheet
        super().__init__(
            files,
            obj_a=obj_a,
            obj_b=obj_b,
            negatives=negatives,
            score=score,
            subgroup=subgroup,
            obj=obj,
            group=group,
            score_range=score_range,
            limit=limit,
            on_error=on_error,
            seed=seed,
        )

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments that rebuild this dataset, as JSON values."""
        sheet = {} if self._sheet is None else {"sheet": self._sheet}
        return {**super().get_config_dict(), **sheet}

    def _rows(self, path: Path) -> Iterator[tuple[str, Row]]:
        try:
            from openpyxl import load_workbook
        except ImportError as error:
            raise ImportError(
                "Reading Excel workbooks requires openpyxl. Install it with: "
                'pip install "quaterion-core[excel]"'
            ) from error
        with _explained(path), ZipFile(path) as archive:
            size = sum(part.file_size for part in archive.infolist())
        check_expansion(path, size)
        with _explained(path):
            workbook = load_workbook(path, read_only=True, data_only=True)
        try:
            if self._sheet is not None and self._sheet not in workbook.sheetnames:
                statement = f"{path} has no sheet"
                raise ValueError(
                    unknown_name(statement, self._sheet, workbook.sheetnames, known_as="Its sheets")
                )
            sheet = workbook.active if self._sheet is None else workbook[self._sheet]
            if not hasattr(sheet, "iter_rows"):
                raise ValueError(f"{path} has no sheet with cells.")
            yield from self._rows_of_sheet(_sheet_rows(sheet, path), str(path))
        finally:
            workbook.close()

    def _rows_of_sheet(
        self, listed: Iterator[tuple[Any, ...]], path: str
    ) -> Iterator[tuple[str, Row]]:
        rows = enumerate(listed, 1)
        filled = ((n, row) for n, row in rows if any(value is not None for value in row))
        number, header = next(filled, (1, ()))
        place = f"{path}, row {number}"
        given = ["" if name is None else str(name) for name in header]
        names = read_header(given, self._columns.names, place)
        self._check_columns(names, place)
        for number, row in filled:
            yield f"row {number}", dict(zip(names, row, strict=False))


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Convert errors of openpyxl and the libraries below it for a workbook that is damaged.

    Raises:
        ValueError: The file is no workbook, or is damaged.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # of any kind, such as AttributeError and SyntaxError
        raise ValueError(
            f"{path} is not an Excel workbook of the format .xlsx, or is broken: "
            f"{printable(str(error))}. Save it as .xlsx, or read text with the dataset 'csv'."
        ) from None


def _sheet_rows(sheet: Any, path: Path) -> Iterator[tuple[Any, ...]]:
    """Yield the values of each row of a sheet."""
    rows = sheet.iter_rows(values_only=True)
    while True:
        with _explained(path):
            row = next(rows, None)
        if row is None:
            return
        yield row
