"""Conversion of lists, tables, datasets and streams to similarity samples."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypedDict

from torch.utils.data import DataLoader, Dataset, IterableDataset
from typing_extensions import Unpack

from quaterion_core.dataset.sample_columns import Column, SampleColumns
from quaterion_core.dataset.similarity_samples import (
    SimilarityGroupSample,
    SimilarityPairSample,
    SimilaritySample,
)
from quaterion_core.dataset.split_dataset import SplitDataset
from quaterion_core.dataset.tables import Table, table_of
from quaterion_core.plugins.nearest import unknown_name

_SAMPLES: Final = (SimilarityPairSample, SimilarityGroupSample)
_POSITIONS: Final = {
    SimilarityPairSample: ("obj_a", "obj_b", "score", "subgroup"),
    SimilarityGroupSample: ("obj", "group"),
}
"""Fields of a tuple by position, for each kind of sample."""


class Columns(TypedDict, total=False):
    """Names of the columns of a table, or positions in tuples; see :func:`samples_from`."""

    obj_a: Column
    obj_b: Column
    negatives: Column | Sequence[Column]
    score: Column
    subgroup: Column
    obj: Column
    group: Column
    score_range: Sequence[float]


COLUMN_NAMES: Final = frozenset(Columns.__annotations__)


def check_columns(function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Check the keyword arguments of a function that passes columns on.

    Args:
        function: The function.
        given: Keyword arguments besides the parameters that it names.

    Raises:
        TypeError: One of them is neither a column nor a parameter.

    Example:
        >>> def train(data, *, epochs=1, **columns): check_columns(train, columns)
        >>> train([], obj="text")
        >>> train([], epoch=2)
        Traceback (most recent call last):
        TypeError: train() has no argument 'epoch': did you mean 'epochs'? ...
    """
    for name in given:
        if name not in COLUMN_NAMES:
            known = [*inspect.signature(function).parameters][:-1] + sorted(COLUMN_NAMES)
            statement = f"{function.__qualname__.rpartition('<locals>.')[2]}() has no argument"
            raise TypeError(unknown_name(statement, name, known, known_as="It takes"))


def samples_from(
    data: Any,
    *,
    sample_type: type[SimilaritySample] | None = None,
    **columns: Unpack[Columns],
) -> Any:
    """Convert data to a dataset of similarity samples.

    ======================================  ========================================================
    ``data``                                result
    ======================================  ========================================================
    list of samples                         the list itself
    list of dictionaries or tuples,         a list of samples; all faulty rows are reported at once
    dictionary of columns,
    pandas or polars frame
    PyArrow table, Hugging Face dataset,    a map-style dataset that reads and decodes rows on
    map-style PyTorch dataset               demand
    iterable PyTorch or Hugging Face        an iterable dataset that streams the rows
    dataset
    generator or another iterator           a generator, for a single pass
    ======================================  ========================================================

    A PyTorch dataset without column names is returned as it is, since it may yield samples already.

    Args:
        data: The data.
        sample_type: The kind of sample to make, where it is known. It determines the meaning
            of the items of tuples: ``(obj_a, obj_b, score, subgroup)``, the last two optional, or
            ``(obj, group)``.
        **columns: The columns of pairs or of group samples, as for
            :class:`~quaterion_core.dataset.sample_columns.SampleColumns`: names for tables and
            dictionaries, positions such as ``obj_a=0`` for tuples. By default columns are
            recognised by their names: ``obj_a`` and ``obj_b``, or ``anchor`` and ``positive``, with
            ``score``, ``subgroup``, ``negative``, ``negatives`` and ``negative_1``, ``negative_2``,
            ... where there are any; or ``obj`` and ``group``.

    Raises:
        TypeError: ``data`` is of an unsupported type; the message says what to pass. Or a keyword
            argument is unknown.
        ValueError: A column is missing, the columns do not describe exactly one kind of sample, or
            a row lacks a value or has a score that is not a number.

    Example:
        >>> faq = {"question": ["Is it free?"], "answer": ["Yes."]}
        >>> samples_from(faq, obj_a="question", obj_b="answer")
        [SimilarityPairSample(obj_a='Is it free?', obj_b='Yes.', score=1.0, subgroup=None)]
        >>> samples_from([("lemon", "fruit"), ("leek", "vegetable")], obj=0, group=1)[1]
        SimilarityGroupSample(obj='leek', group='vegetable')
        >>> samples_from(faq)
        Traceback (most recent call last):
        ValueError: The columns of the dict are 'question', 'answer'. Say which of them make a
        sample: obj_a='question', obj_b='answer' for pairs, or obj='question', group='answer' for
        groups, as arguments of a data loader or of samples_from().
    """
    for name in columns:
        if name not in COLUMN_NAMES:
            raise TypeError(
                unknown_name("samples_from() has no argument", name, COLUMN_NAMES, known_as="Known")
            )
    if isinstance(data, DataLoader):
        data = data.dataset
    choice = _Choice(columns, sample_type)
    table = table_of(data)
    if table is not None:
        return _from_table(table, choice)
    if isinstance(data, (list, tuple)) and not hasattr(data, "_fields"):
        return _from_list(data, choice)
    if isinstance(data, Iterator):
        return _converted(data, choice)
    if isinstance(data, IterableDataset):
        return _stream(data, choice) if columns else data
    _refuse(data)
    if isinstance(data, Dataset) and not columns:
        return data
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        return MappedSamples(_Items(data), choice) if columns else data
    if isinstance(data, Iterable):
        return _stream(data, choice)
    raise TypeError(
        f"Expected similarity samples, or a table or dataset with the columns of them, got "
        f"{data!r:.80} of type {type(data).__name__}. Pass a list, a pandas or polars frame, a "
        "PyArrow table, a Hugging Face or PyTorch dataset, or an iterator."
    )


class _Choice:
    """Columns given by the user, or recognised by their names.

    Args:
        given: The user's column names.
        sample_type: The kind of sample to make, where it is known.
    """

    def __init__(self, given: Columns, sample_type: type[Any] | None):
        self.given = given
        self._sample_type = sample_type
        self._columns = SampleColumns(**given) if given else None
        if self._columns is not None:
            self._check_type(self._columns)

    def of_names(self, names: Sequence[Any], place: str) -> SampleColumns:
        """Return the columns of samples in a table, after checking that all of them exist."""
        columns = self._columns or SampleColumns.recognised(names, place)
        self._check_type(columns)
        columns.check(names, place)
        return columns

    def of_row(self, row: Any, place: str) -> SampleColumns:
        """Return the columns of rows like this one."""
        if self._columns is not None:
            return self._columns
        if isinstance(row, Mapping):
            return self.of_names(list(row), place)
        width = len(row)
        fields = _POSITIONS[self._sample_type] if self._sample_type else ()
        if not 2 <= width <= len(fields):
            raise ValueError(
                f"{place} is a tuple of {width} items: {row!r:.60}. Say which of them make a "
                "sample: obj_a=0, obj_b=1 for pairs, or obj=0, group=1 for groups, as arguments of "
                "a data loader or of samples_from()."
            )
        return SampleColumns(**dict(zip(fields, range(width), strict=False)))  # type: ignore[arg-type]

    def _check_type(self, columns: SampleColumns) -> None:
        if self._sample_type in (None, columns.sample_type):
            return
        raise ValueError(
            f"Expected the columns of a {self._sample_type.__name__} "
            f"({' and '.join(_POSITIONS[self._sample_type][:2])}), got those of a "
            f"{columns.sample_type.__name__}: {', '.join(map(repr, columns.names))}. "
            "PairsSimilarityDataLoader and the samplers and losses of pairs take pairs, "
            "GroupSimilarityDataLoader and those of groups take groups."
        )


def _from_table(table: Table, choice: _Choice) -> Any:
    columns = choice.of_names(table.names, f"The {table.kind}")
    chosen = table.select(columns.names)
    if chosen.is_stream:
        return SampleStream(chosen, choice)
    if not chosen.is_in_memory:
        return MappedSamples(chosen, choice, columns)
    return columns.read((f"row {n}", row) for n, row in enumerate(chosen))


def _from_list(data: Sequence[Any], choice: _Choice) -> Any:
    if not data:
        return data
    first = data[0]
    if isinstance(first, _SAMPLES):
        _refuse_columns(choice)
        return data
    _check_row(first, "item 0")
    columns = choice.of_row(first, "Item 0 of the list")
    return columns.read((f"item {n}", _row(item, f"item {n}")) for n, item in enumerate(data))


def _converted(items: Iterable[Any], choice: _Choice) -> Iterator[Any]:
    """Yield the samples of items, which are samples, dictionaries or tuples, one after another."""
    columns = None
    for number, item in enumerate(items):
        place = f"item {number}"
        if isinstance(item, _SAMPLES):
            _refuse_columns(choice)
            yield item
            continue
        row = _row(item, place)
        columns = columns or choice.of_row(item, place)
        yield from columns.samples(row, place)


def _stream(data: Any, choice: _Choice) -> SampleStream:
    has_length = hasattr(data, "__len__") and not choice.given.get("negatives")
    return SizedSampleStream(data, choice) if has_length else SampleStream(data, choice)


class SampleStream(IterableDataset[SimilaritySample]):
    """Iterable dataset of samples over iterable data of dictionaries, tuples or samples.

    Each iteration reads the data again, so that workers and processes get the share that the data
    give them.

    Args:
        data: What is iterated over.
        choice: The columns.
    """

    def __init__(self, data: Iterable[Any], choice: _Choice):
        self._data = data
        self._choice = choice

    def __iter__(self) -> Iterator[SimilaritySample]:
        return _converted(self._data, self._choice)


class SizedSampleStream(SampleStream):
    """Stream of samples over data of a known length, with one sample for each item."""

    def __len__(self) -> int:
        return len(self._data)  # type: ignore[arg-type]


class MappedSamples(Dataset[SimilaritySample]):
    """Map-style dataset of samples over rows that are read on demand.

    A row with hard negatives makes several samples. To count them, the columns of negatives (all
    items of a PyTorch dataset) are read once, when the length is first needed.

    Args:
        rows: A table, or a map-style dataset of dictionaries or tuples.
        choice: The columns that the user chose.
        columns: The columns, if they are known already.
    """

    def __init__(self, rows: Table | _Items, choice: _Choice, columns: SampleColumns | None = None):
        self._rows = rows
        self._choice = choice
        self._columns = columns
        self._has_negatives = bool((columns or SampleColumns(**choice.given)).negatives)
        self._places: list[tuple[int, int]] | None = None

    def __len__(self) -> int:
        return len(self._rows) if not self._has_negatives else len(self._indices())

    def __getitem__(self, index: int) -> SimilaritySample:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[SimilaritySample]:
        """Return the samples of a batch, whose rows are read at once."""
        size = len(self)
        for index in indices:
            if not -size <= index < size:
                raise IndexError(
                    f"Index {index} is out of range for a dataset of {size:,} samples."
                )
        chosen = [index % size for index in indices]
        places = (
            [self._indices()[index] for index in chosen]
            if self._has_negatives
            else [(index, 0) for index in chosen]
        )
        rows = self._rows.rows([row for row, _ in places])
        return [
            self._samples(number, row)[part]
            for (number, part), row in zip(places, rows, strict=True)
        ]

    def _samples(self, number: int, row: Any) -> list[SimilaritySample]:
        place = f"row {number}"
        if isinstance(row, _SAMPLES):
            raise TypeError(_ALREADY)
        values = _row(row, place)
        self._columns = self._columns or self._choice.of_row(row, place)
        return list(self._columns.samples(values, place))

    def _indices(self) -> list[tuple[int, int]]:
        """Return the row of each sample, and its place among the samples of that row."""
        if self._places is None:
            columns = self._columns or SampleColumns(**self._choice.given)
            rows = self._rows.select(columns.negatives)
            self._places = [
                (number, part)
                for number, row in enumerate(rows)
                for part in range(1 + columns.count_negatives(_row(row, f"row {number}")))
            ]
        return self._places


class _Items:
    """The items of a map-style dataset as rows."""

    def __init__(self, data: Any):
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Any]:
        return (self._data[index] for index in range(len(self._data)))

    def rows(self, indices: list[int]) -> list[Any]:
        """Return items, read at once where the dataset can."""
        if hasattr(self._data, "__getitems__"):
            return list(self._data.__getitems__(indices))
        return [self._data[index] for index in indices]

    def select(self, names: Sequence[Any]) -> _Items:
        """Return all items unchanged: their columns cannot be read separately."""
        return self


_ALREADY: Final = (
    "The data are similarity samples already, which have no columns. Remove the column names, such "
    "as obj_a=..."
)


def _refuse_columns(choice: _Choice) -> None:
    if choice.given:
        raise TypeError(_ALREADY)


def _check_row(item: Any, place: str) -> None:
    if isinstance(item, (Mapping, tuple)) or (isinstance(item, list) and len(item) > 1):
        return
    raise TypeError(
        f"Expected {place} to be a similarity sample, a dictionary or a tuple, got {item!r:.60} of "
        f"type {type(item).__name__}. A dataset must yield SimilarityPairSample or "
        "SimilarityGroupSample, dictionaries with named columns (obj_a='question', "
        "obj_b='answer'), or tuples."
    )


def _row(item: Any, place: str) -> Mapping[Any, Any]:
    """Return an item as a mapping of its columns."""
    if isinstance(item, Mapping):
        return item
    _check_row(item, place)
    by_position = dict(enumerate(item))
    if hasattr(item, "_asdict"):
        return {**by_position, **item._asdict()}
    return by_position


def _refuse(data: Any) -> None:
    """Raise an error for common mistakes, such as a path, a split dataset or a single column."""
    name = type(data).__name__
    if isinstance(data, (str, bytes, Path)):
        way_out = (
            "Read a file with CsvDataset, JsonLinesDataset or ParquetDataset, such as "
            f"CsvDataset({{'train': {str(data)!r:.60}}}, obj_a='question', obj_b='answer')"
            ".load('train')."
        )
        raise TypeError(f"Expected similarity samples, got {data!r:.60}. {way_out}")
    if isinstance(data, SplitDataset):
        raise TypeError(
            f"Expected the samples of one split, got a {name} of the splits "
            f"{', '.join(data.splits)}. Pass dataset.load({data.splits[0]!r})."
        )
    if isinstance(data, _SAMPLES):
        raise TypeError(f"Expected a list of samples, got one {name}. Pass [sample].")
    if isinstance(data, Mapping):
        splits = [key for key, value in data.items() if table_of(value) is not None]
        if splits:
            raise TypeError(
                f"Expected the samples of one split, got a {name} of {', '.join(map(str, splits))}."
                f" Pass one of them, such as data[{splits[0]!r}]."
            )
        raise TypeError(
            f"Expected a dictionary of columns, such as {{'question': [...], 'answer': [...]}}, "
            f"with a list of values each, all of one length, got {data!r:.80}."
        )
    if type(data).__name__ == "LazyFrame":
        raise TypeError("Expected a table, got a LazyFrame. Pass frame.collect().")
    if any(hasattr(data, method) for method in ("to_list", "to_pylist", "dtype")):
        raise TypeError(
            f"Expected a table with the columns of samples, got a single column or array "
            f"({name}). Pass the whole table and name its columns, such as obj_a='question', "
            "obj_b='answer'."
        )
