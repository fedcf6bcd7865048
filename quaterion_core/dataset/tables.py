"""Rows of tables from several libraries, without importing the libraries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import Any, ClassVar, Final

import numpy as np
from typing_extensions import Self

from quaterion_core.utils.objects import object_list

_ROWS_AT_ONCE: Final = 1024


class Table(ABC):
    """Interface of a table with named columns, which wraps the table of a library.

    Args:
        data: The table.

    Attributes:
        data: The table.
    """

    is_in_memory: ClassVar[bool] = False
    """Whether the table is in memory, so that all rows can be converted at once."""
    is_stream: ClassVar[bool] = False
    """Whether rows can only be iterated over."""

    def __init__(self, data: Any):
        self.data = data

    @property
    def kind(self) -> str:
        """What the table is called in errors."""
        return type(self.data).__name__

    @property
    @abstractmethod
    def names(self) -> list[Any]:
        """Names of the columns."""

    @abstractmethod
    def select(self, names: Sequence[Any]) -> Self:
        """Return a table of some of the columns."""

    @abstractmethod
    def rows(self, indices: list[int]) -> list[Mapping[Any, Any]]:
        """Return some of the rows."""

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Mapping[Any, Any]]:
        for start in range(0, len(self), _ROWS_AT_ONCE):
            yield from self.rows(list(range(start, min(start + _ROWS_AT_ONCE, len(self)))))


class DictTable(Table):
    """A dictionary with a list of values for each column."""

    is_in_memory = True

    @property
    def names(self) -> list[Any]:
        """The keys."""
        return list(self.data)

    def select(self, names: Sequence[Any]) -> Self:
        """Return a table of some of the columns, with arrays as lists of Python objects."""
        return type(self)({name: _values(self.data[name]) for name in names})

    def rows(self, indices: list[int]) -> list[Mapping[Any, Any]]:
        """Return some of the rows."""
        return [{name: self.data[name][index] for name in self.data} for index in indices]

    def __len__(self) -> int:
        return len(next(iter(self.data.values()), ()))


class PandasTable(Table):
    """A pandas ``DataFrame``."""

    is_in_memory = True

    @property
    def names(self) -> list[Any]:
        """The columns."""
        return list(self.data.columns)

    def select(self, names: Sequence[Any]) -> Self:
        """Return a frame of some of the columns.

        Raises:
            ValueError: Several columns have one of these names.
        """
        for name in names:
            if (count := self.names.count(name)) > 1:
                raise ValueError(
                    f"Expected one column named {name!r} in the DataFrame, got {count}. Rename the "
                    "others."
                )
        return type(self)(self.data[list(names)])

    def rows(self, indices: list[int]) -> list[Mapping[Any, Any]]:
        """Return some of the rows, by position."""
        names = self.names
        part = self.data.iloc[indices]
        columns = [part[name].tolist() for name in names]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


class PolarsTable(Table):
    """A polars ``DataFrame``."""

    is_in_memory = True

    @property
    def names(self) -> list[Any]:
        """The columns."""
        return list(self.data.columns)

    def select(self, names: Sequence[Any]) -> Self:
        """Return a frame of some of the columns."""
        return type(self)(self.data.select(list(names)))

    def rows(self, indices: list[int]) -> list[Mapping[Any, Any]]:
        """Return some of the rows."""
        return self.data[indices].to_dicts()  # type: ignore[no-any-return]


class ArrowTable(Table):
    """A PyArrow ``Table`` or ``RecordBatch``, which may be mapped from a file."""

    @property
    def names(self) -> list[Any]:
        """The columns."""
        return list(self.data.schema.names)

    def select(self, names: Sequence[Any]) -> Self:
        """Return a table of some of the columns."""
        return type(self)(self.data.select(list(names)))

    def rows(self, indices: list[int]) -> list[Mapping[Any, Any]]:
        """Return some of the rows."""
        if indices and indices == list(range(indices[0], indices[-1] + 1)):
            return self.data.slice(indices[0], len(indices)).to_pylist()  # type: ignore[no-any-return]
        return [row for index in indices for row in self.data.slice(index, 1).to_pylist()]

    def __len__(self) -> int:
        return int(self.data.num_rows)


class HuggingFaceTable(Table):
    """A ``Dataset`` of Hugging Face's library; only selected columns are decoded."""

    @property
    def names(self) -> list[Any]:
        """The columns."""
        return list(self.data.column_names)

    def select(self, names: Sequence[Any]) -> Self:
        """Return a dataset of some of the columns."""
        return type(self)(self.data.select_columns(list(names)))

    def rows(self, indices: list[int]) -> list[Mapping[Any, Any]]:
        """Return some of the rows."""
        batch = self.data[indices]
        return [{name: batch[name][n] for name in batch} for n in range(len(indices))]


class HuggingFaceStream(Table):
    """An ``IterableDataset`` of Hugging Face's library, which is read again in each epoch."""

    is_stream = True

    @property
    def names(self) -> list[Any]:
        """The columns; those of the first row if the dataset does not declare them."""
        return list(self.data.column_names or next(iter(self.data), {}))

    def select(self, names: Sequence[Any]) -> Self:
        """Return a dataset of some of the columns."""
        return type(self)(self.data.select_columns(list(names)))

    def rows(self, indices: list[int]) -> list[Mapping[Any, Any]]:
        """Raise a ``TypeError``: rows have no numbers."""
        raise TypeError("The rows of an IterableDataset can only be iterated over.")

    def __iter__(self) -> Iterator[Mapping[Any, Any]]:
        return iter(self.data)


_TABLES: Final[dict[tuple[str, str], type[Table]]] = {
    ("pandas", "DataFrame"): PandasTable,
    ("polars", "DataFrame"): PolarsTable,
    ("pyarrow", "Table"): ArrowTable,
    ("pyarrow", "RecordBatch"): ArrowTable,
    ("datasets", "Dataset"): HuggingFaceTable,
    ("datasets", "IterableDataset"): HuggingFaceStream,
}


def table_of(data: Any) -> Table | None:
    """Wrap a table, recognised by the library and name of its class; ``None`` for anything else.

    Example:
        >>> table_of({"question": ["Is it free?"], "answer": ["Yes."]}).names
        ['question', 'answer']
        >>> table_of([1, 2])
    """
    if isinstance(data, Mapping):
        return DictTable(data) if _are_columns(data) else None
    for cls in type(data).__mro__:
        wrapper = _TABLES.get((cls.__module__.partition(".")[0], cls.__name__))
        if wrapper is not None:
            return wrapper(data)
    return None


def _are_columns(data: Mapping[Any, Any]) -> bool:
    """Return whether all values are columns of the same length."""
    if not data or any(
        isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Sized)
        for values in data.values()
    ):
        return False
    lengths = {len(values) for values in data.values()}
    return len(lengths) == 1 and not any(table_of(values) for values in data.values())


def _values(column: Any) -> list[Any]:
    """Return a column as a list of Python objects; an array of several dimensions as its rows."""
    if isinstance(column, np.ndarray):
        return column.tolist() if column.ndim == 1 else list(column)
    return list(column) if isinstance(column, tuple) else object_list(column)
