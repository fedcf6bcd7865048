"""Writers of vectors: NumPy and Parquet files that grow block by block."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from quaterion_core.encoding.skipped import as_unicode
from quaterion_core.encoding.values import Values
from quaterion_core.storage import InvalidFolderError, whole_file

_NUMPY_TYPES: Final = {"float16": "<f2", "int8": "|i1", "binary": "|u1"}


class VectorWriter(Protocol):
    """Writes the vectors of a job."""

    def resume(self, rows: int, objects: int) -> None:
        """Drop what was written after a commit, of which there are rows of some of the objects."""

    def add(
        self,
        start: int,
        vectors: Tensor,
        positions: Sequence[int],
        ids: Sequence[Any],
        objects: Sequence[Any],
    ) -> None:
        """Write n rows (n, d) to disk; ``start`` is the number of objects before them."""

    def finish(self, rows: int) -> None:
        """Put the file of all rows in its place; once more without harm, if it was interrupted."""


def writer_for(path: Path, parts: Path, values: Values) -> VectorWriter:
    """Return the writer for a file.

    Args:
        path: The file.
        parts: Folder for what is written until it is complete.
        values: The kind of vectors.

    Raises:
        ImportError: pyarrow is missing.
    """
    writer = ParquetWriter if path.suffix == ".parquet" else NumpyWriter
    return writer(path, parts, values)


class NumpyWriter:
    """Writes a ``.npy`` file (n, d), which ``numpy.load(path, mmap_mode="r")`` maps."""

    def __init__(self, path: Path, parts: Path, values: Values):
        self._path, self._file = path, parts / "rows.npy"
        self._columns = values.columns
        self._dtype = np.dtype(_NUMPY_TYPES.get(values.dtype or "", "<f4"))

    def resume(self, rows: int, objects: int) -> None:
        """Cut off what was written after the last commit."""
        if not rows:
            self._file.unlink(missing_ok=True)
            return
        size = len(self._header(0)) + rows * self._columns * self._dtype.itemsize
        if not self._file.exists():
            return  # in its place already
        if self._file.stat().st_size < size:
            raise InvalidFolderError(
                f"{self._file} is cut off. Begin anew with overwrite=True, on the command line "
                "--overwrite."
            )
        os.truncate(self._file, size)

    def add(
        self,
        start: int,
        vectors: Tensor,
        positions: Sequence[int],
        ids: Sequence[Any],
        objects: Sequence[Any],
    ) -> None:
        """Append rows."""
        array: npt.NDArray[Any] = vectors.numpy().astype(self._dtype, copy=False)
        with self._file.open("ab") as stream:
            if not stream.tell():
                stream.write(self._header(0))
            stream.write(np.ascontiguousarray(array).data)
            _sync(stream)

    def finish(self, rows: int) -> None:
        """Write the number of rows into the header, and rename the file."""
        if not self._file.exists():
            if rows:
                return  # in its place already
            self._file.write_bytes(self._header(0))
        with self._file.open("r+b") as stream:
            stream.write(self._header(rows))
            _sync(stream)
        self._file.replace(self._path)

    def _header(self, rows: int) -> bytes:
        """Return the header, of the same length for every number of rows."""
        stream = io.BytesIO()
        shape = {"descr": self._dtype.str, "fortran_order": False, "shape": (rows, self._columns)}
        np.lib.format.write_array_header_1_0(stream, shape)
        return stream.getvalue()


class ParquetWriter:
    """Writes a Parquet file with the columns ``position``, ``id``, ``object`` and ``embedding``.

    ``embedding`` is a list of fixed size. ``object`` is the text or the path; null for others.
    """

    def __init__(self, path: Path, parts: Path, values: Values):
        try:
            import pyarrow as pa
        except ImportError as error:
            raise ImportError(
                "Writing Parquet files requires pyarrow. Install it with "
                "pip install 'quaterion-core[parquet]', or write a .npy file."
            ) from error
        types = {"float16": pa.float16(), "int8": pa.int8(), "binary": pa.uint8()}
        self._path, self._parts, self._columns = path, parts, values.columns
        self._type = types.get(values.dtype or "", pa.float32())
        self._schema = pa.schema(
            [
                ("position", pa.int64()),
                ("id", pa.string()),
                ("object", pa.string()),
                ("embedding", pa.list_(self._type, values.columns)),
            ]
        )

    def resume(self, rows: int, objects: int) -> None:
        """Remove the parts that were written after the last commit."""
        for part in self._parts.glob("*.parquet"):
            if not part.stem.isdecimal() or int(part.stem) >= objects:
                part.unlink()

    def add(
        self,
        start: int,
        vectors: Tensor,
        positions: Sequence[int],
        ids: Sequence[Any],
        objects: Sequence[Any],
    ) -> None:
        """Write a part."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        flat = pa.array(vectors.numpy().reshape(-1), self._type)
        columns = [
            pa.array(positions, pa.int64()),
            pa.array(
                [str(n) if i is None else str(i) for i, n in zip(ids, positions, strict=True)]
            ),
            pa.array([_text(given) for given in objects], pa.string()),
            pa.FixedSizeListArray.from_arrays(flat, self._columns),
        ]
        table = pa.Table.from_arrays(columns, schema=self._schema)
        with whole_file(self._parts / f"{start:012}.parquet") as stream:
            pq.write_table(table, stream)

    def finish(self, rows: int) -> None:
        """Join the parts, each of which becomes a group of rows."""
        import pyarrow.parquet as pq

        parts = sorted(self._parts.glob("*.parquet"))
        with whole_file(self._path) as stream, pq.ParquetWriter(stream, self._schema) as writer:
            for part in parts:
                writer.write_table(pq.read_table(part))


def _text(given: Any) -> str | None:
    if isinstance(given, os.PathLike):
        return as_unicode(os.fsdecode(given))
    return str(given) if isinstance(given, str) else None


def _sync(stream: Any) -> None:
    stream.flush()
    os.fsync(stream.fileno())
