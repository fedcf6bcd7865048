"""Files of vectors with their keys: Parquet and NumPy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quaterion_core.encoders.vector_table import VectorTable
from quaterion_core.storage.input_files import check_is_file

_KINDS: Final = (".parquet", ".npy", ".npz")
_KEYS_ADVICE: Final = (
    "Give them as a JSON list or one JSON text a line (.json, .jsonl), one text a line (.txt), or "
    "an array of texts (.npy)."
)


def read_vectors(file: Path, keys: Path | None, key_column: str, vector_column: str) -> VectorTable:
    """Read vectors and their keys.

    Args:
        file: A ``.parquet``, ``.npz`` or ``.npy`` file.
        keys: The file of the keys, for a ``.npy`` file only.
        key_column: The column of a Parquet file, or the array of a ``.npz`` file, with the keys.
        vector_column: The one with the vectors.

    Raises:
        FileNotFoundError: A file is missing.
        ImportError: pyarrow is missing.
        ValueError: A file is not as expected.
    """
    if file.suffix not in _KINDS:
        raise ValueError(f"Expected a file of vectors, one of {', '.join(_KINDS)}, got {file}.")
    check_is_file(file, "The file of vectors")
    if keys is None and file.suffix == ".npy":
        raise ValueError(f"Expected a file of keys with {file}. {_KEYS_ADVICE}")
    if keys is not None and file.suffix != ".npy":
        raise ValueError(f"Expected no file of keys with {file}, which has its keys in a column.")
    source = str(file)
    if file.suffix == ".parquet":
        return VectorTable(*_read_parquet(file, key_column, vector_column), source)
    if keys is not None:
        return VectorTable(_read_keys(keys), _load_array(file), source)
    with _opened(file) as arrays:
        for name in (key_column, vector_column):
            if name not in arrays:
                raise ValueError(_no_column(file, "array", name, list(arrays)))
        return VectorTable(
            _texts(_array(arrays, key_column, file), source),
            _array(arrays, vector_column, file),
            source,
        )


def _read_parquet(file: Path, key: str, vector: str) -> tuple[list[str], npt.NDArray[Any]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportError(
            "Reading Parquet files requires pyarrow. Install it with "
            "pip install 'quaterion-core[parquet]', or give a .npy or .npz file."
        ) from error
    try:
        with pq.ParquetFile(file) as opened:
            names = opened.schema_arrow.names
            for name in (key, vector):
                if name not in names:
                    raise ValueError(_no_column(file, "column", name, names))
            table = opened.read(columns=[key, vector])
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{file} cannot be read as a Parquet file: {error}") from error
    column = table.column(vector).combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # of more than 2 GB, or empty
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if not pa.types.is_list(column.type) and not _is_fixed(pa, column.type):
        raise ValueError(
            f"Expected the column {vector!r} of {file} to contain lists of numbers, got "
            f"{column.type}. Name another one with vector_column."
        )
    if column.null_count:
        raise ValueError(f"Expected a vector in each row of {file}, got {column.null_count} nulls.")
    values = column.flatten()
    sizes = np.unique(np.asarray(column.value_lengths()))
    if len(sizes) > 1:
        raise ValueError(
            f"Expected vectors of one size in {file}, got sizes from {sizes[0]} to {sizes[-1]}."
        )
    if values.null_count:
        raise ValueError(f"Expected numbers in the vectors of {file}, got nulls.")
    vectors = values.to_numpy(zero_copy_only=False).reshape(len(column), -1)
    return _texts(table.column(key).to_pylist(), str(file), key), vectors


def _is_fixed(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind))


def _read_keys(file: Path) -> list[str]:
    check_is_file(file, "The file of keys")
    if file.suffix == ".npy":
        return _texts(_load_array(file), str(file))
    if file.suffix not in (".json", ".jsonl", ".txt"):
        raise ValueError(f"Expected a file of keys, got {file}. {_KEYS_ADVICE}")
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".txt":
            return text.removesuffix("\n").split("\n")
        lines = text.removesuffix("\n").split("\n")
        values = json.loads(text) if file.suffix == ".json" else [json.loads(n) for n in lines]
    except ValueError as error:
        raise ValueError(f"{file} cannot be read: {error}. {_KEYS_ADVICE}") from error
    if not isinstance(values, list):
        raise ValueError(f"Expected a list of keys in {file}, got a {type(values).__name__}.")
    return _texts(values, str(file))


def _texts(values: Sequence[Any] | npt.NDArray[Any], source: str, column: str = "") -> list[str]:
    """Return keys as texts.

    Raises:
        ValueError: There is something else than texts and integers.
    """
    if isinstance(values, np.ndarray):
        values = values.tolist()
    wrong = [row for row, value in enumerate(values) if type(value) not in (str, int)]
    if wrong:
        where = f"the column {column!r} of {source}" if column else source
        advice = "Name a column of texts or ids with key_column, such as 'id'." * bool(column)
        raise ValueError(
            f"Expected a key, a text or an integer, in each row of {where}, got "
            f"{values[wrong[0]]!r:.40} in row {wrong[0]} (and {len(wrong) - 1} others). {advice}"
        )
    return [str(value) for value in values]


def _load_array(file: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(
            f"{file} cannot be read as a NumPy array of numbers or texts: {error}"
        ) from error
    return array


def _opened(file: Path) -> Any:
    try:
        return np.load(file, allow_pickle=False)
    except Exception as error:  # zipfile has errors of its own
        raise ValueError(f"{file} cannot be read as an archive of arrays: {error}") from error


def _array(arrays: Any, name: str, file: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = arrays[name]
    except Exception as error:  # zipfile has errors of its own
        raise ValueError(f"The array {name!r} of {file} cannot be read: {error}") from error
    return array


def _no_column(file: Path, noun: str, name: str, names: Sequence[str]) -> str:
    return (
        f"Expected {file} to have the {noun} {name!r}, got "
        f"{', '.join(map(repr, names)) or 'none'}. Name them with key_column and vector_column."
    )
