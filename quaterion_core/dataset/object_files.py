"""Objects to embed, as people have them in files: lines, tables, folders of images."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from quaterion_core.components import build_component
from quaterion_core.dataset.file_kinds import IMAGES, READERS, reader_of, suffix_of
from quaterion_core.dataset.missing import is_missing
from quaterion_core.dataset.text_files import read_lines

_SPLIT: Final = "data"
TEXT_COLUMN: Final = "text"
"""Column that is read if no other one is named."""

_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")


@dataclass(frozen=True, slots=True)
class FileObject:
    """An object of a file.

    Attributes:
        object: The text, or the path of an image.
        id: Its id, if a column holds ids.
        fields: The other columns, as JSON values.
    """

    object: Any
    id: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)


def objects_in(
    path: Path, *, column: str = TEXT_COLUMN, id_column: str | None = None
) -> Iterator[FileObject]:
    r"""Yield the objects of a file or a folder.

    - A folder: its images, those in folders below it included, in the order of their paths. The
      field ``folder`` has the folder below it that an image is in.
    - A table (CSV, JSON lines, Parquet, Excel): the values of a column. The other columns are
      fields; cells of CSV files that are numbers become numbers. Rows without a value are left out.
    - Any other file: its lines, but for blank ones.

    Args:
        path: The file or the folder. A pattern stands for several: ``data/*.csv`` for tables,
            ``photos/*.jpg`` for images.
        column: Column of a table that has the objects.
        id_column: Column that has ids.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file cannot be read, there is no such column, or none that is meant.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "faq.csv")
        >>> _ = file.write_text("text,year\nIs it free?,2024\n")
        >>> list(objects_in(file))
        [FileObject(object='Is it free?', id=None, fields={'year': 2024})]
    """
    is_table = suffix_of(path) in READERS
    if not is_table and (column != TEXT_COLUMN or id_column is not None):
        raise ValueError(
            f"Expected a table to take columns from, such as a CSV file, got {path.name!r}."
        )
    if is_table:
        yield from _of_table(path, column, id_column)
    elif path.is_dir():
        yield from _of_folder(path)
    elif suffix_of(path) in IMAGES and not path.exists():
        yield from _of_pattern(path)
    else:
        if not path.exists():
            raise FileNotFoundError(f"{path} cannot be read: no such file or directory.")
        for _, line in read_lines(path):
            if line.strip():
                yield FileObject(line.rstrip("\r\n"))


def _of_table(path: Path, column: str, id_column: str | None) -> Iterator[FileObject]:
    choice = {"name": reader_of(path), "files": {_SPLIT: str(path)}}
    dataset = build_component("dataset", {**choice, "obj": column, "group": id_column or column})
    are_cells = reader_of(path) == READERS[".csv"]
    for number, row in enumerate(dataset.rows(_SPLIT), 1):
        if is_missing(row.get(column)):
            continue
        name = None
        if id_column is not None:
            name = row.get(id_column)
            if is_missing(name):
                raise ValueError(f"{path}: row {number:,} has no id in the column {id_column!r}.")
        fields = {
            key: _cell(value) if are_cells else _json(value)
            for key, value in row.items()
            if key not in (column, id_column) and not is_missing(value)
        }
        yield FileObject(row[column], None if name is None else str(name), fields)


def _of_folder(folder: Path) -> Iterator[FileObject]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGES)
    if not found:
        raise ValueError(f"Expected images in {folder}, found none. Give a folder of images.")
    for path in found:
        parent = path.parent.relative_to(folder).as_posix()
        yield FileObject(path.absolute(), fields={} if parent == "." else {"folder": parent})


def _of_pattern(pattern: Path) -> Iterator[FileObject]:
    found = sorted(glob.glob(str(pattern), recursive=True))  # noqa: PTH207
    if not found:
        raise FileNotFoundError(f"{pattern} cannot be read: no such file or directory.")
    for name in found:
        yield FileObject(Path(name).absolute())


def _cell(value: Any) -> Any:
    """Return a cell of a CSV file, a number as such."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return _json(value)


def _json(value: Any) -> Any:
    """Return a value of a table as a JSON value; what JSON does not have becomes a text."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    if isinstance(value, bytes):
        return None
    return str(value)
