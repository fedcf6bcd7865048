"""Text files as people have them: their encoding is checked, their lines and cells are read."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_COMPRESSED: Final = {
    b"\x1f\x8b": ("a gzip file", "gunzip"),
    b"BZh": ("a bzip2 file", "bunzip2"),
    b"\xfd7zXZ": ("an xz file", "unxz"),
    b"\x28\xb5\x2f\xfd": ("a Zstandard file", "unzstd"),
    b"PK\x03\x04": ("a ZIP archive or an Excel workbook", None),
    b"PAR1": ("a Parquet file", None),
}
_WIDE: Final = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_LONGEST: Final = 2**31 - 1
"""Characters of a cell; the csv module's own limit is 131,072."""
_MOST_LINES: Final = 1000
"""Lines of a quoted value of a TSV file."""


def check_is_file(path: Path, role: str) -> None:
    """Refuse what cannot be read as a file, without opening it: a named pipe would wait for ever.

    Args:
        path: The path.
        role: What the file is for, such as ``"The file of the split 'train'"``.

    Raises:
        FileNotFoundError: There is nothing.
        ValueError: It is a folder, or another thing that is no regular file.
    """
    if path.is_file():
        return
    if not path.exists():
        raise FileNotFoundError(f"{role} is missing: {path.absolute()}")
    kind = "a folder" if path.is_dir() else "a pipe, socket or device"
    raise ValueError(f"{role} should be a regular file, but {path.absolute()} is {kind}.")


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    r"""Yield the numbers and contents of the lines of a file, without their ends.

    Lines end with ``\n``, ``\r\n`` or ``\r``, and nothing else: U+2028, for one, is part of a line.

    Raises:
        ValueError: The file is compressed, in UTF-16, or holds NUL bytes.
    """
    check_encoding(path)
    number = 0
    with path.open("rb") as file:
        for part in file:
            for line in part.splitlines():
                number += 1
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if b"\0" in line:
                    raise ValueError(
                        f"{path}, line {number} holds a NUL byte. Expected text in UTF-8."
                    )
                yield number, line


def check_encoding(path: Path) -> None:
    """Refuse a file whose first bytes are those of another format.

    Raises:
        ValueError: It is compressed, or in UTF-16 or UTF-32.
    """
    with path.open("rb") as file:
        start = file.read(64)
    for magic, (kind, command) in _COMPRESSED.items():
        if start.startswith(magic):
            way_out = f"Unpack it first: {command} {path.name}" if command else "Export it as text."
            raise ValueError(f"{path} is {kind}. Expected text in UTF-8. {way_out}")
    for mark, encoding in _WIDE.items():
        if start.startswith(mark):
            raise ValueError(_wrong_encoding(path, encoding))
    if start[1::2].count(0) > len(start) // 4 or start[::2].count(0) > len(start) // 4:
        raise ValueError(_wrong_encoding(path, "UTF-16"))


def decode(line: bytes, path: Path, number: int) -> str:
    """Return a line as text.

    Raises:
        ValueError: It is not UTF-8.
    """
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = line[error.start]
        raise ValueError(
            f"{path}, line {number} is not UTF-8: byte 0x{byte:02x} in column {error.start + 1}. "
            "The file may be in Latin-1 or Windows-1252. Convert it: "
            f"iconv -f WINDOWS-1252 -t UTF-8 {path.name}"
        ) from None


def _wrong_encoding(path: Path, encoding: str) -> str:
    return (
        f"{path} is in {encoding}. Expected text in UTF-8. Convert it: "
        f"iconv -f {encoding} -t UTF-8 {path.name}"
    )


def read_csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a file of comma-separated values, with the numbers of their first lines.

    A cell may be quoted, and hold line breaks and doubled quotes then (RFC 4180). Blank lines are
    left out.

    Raises:
        ValueError: The file is no text in UTF-8, or a quote is not closed.
    """
    number = 0

    def lines() -> Iterator[str]:
        nonlocal number
        for number, line in read_lines(path):
            yield decode(line, path, number) + "\n"

    with _long_cells():
        reader = csv.reader(lines(), strict=True)
        while True:
            first = number + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise ValueError(
                    f"{path}, line {first} is not CSV: {error}, in line {number}. A value that "
                    'begins with a quote has to end with one, with quotes inside doubled: "a ""b"""'
                ) from None
            if row and not (len(row) == 1 and not row[0].strip()):
                yield first, row


def read_tsv(path: Path) -> Iterator[tuple[int, list[str]]]:
    r"""Yield the rows of a file of tab-separated values, with the numbers of their first lines.

    A row is a line, and a quote is a character like others: most such files are written without
    quoting. A value that begins and ends with a quote, with all quotes in it doubled, is taken as
    quoted. Only where a line has another number of values than the header may a quoted value also
    hold tabs and line breaks. Blank lines are left out.

    Raises:
        ValueError: The file is no text in UTF-8.
    """
    width = 0
    open_lines: list[str] = []  # of a row whose last value is quoted and not closed yet
    first = 0
    for number, line in read_lines(path):
        text = decode(line, path, number)
        if open_lines:
            open_lines.append(text)
            row = _quoted_row(open_lines) if '"' in text else None
            if row is not None and len(row) == width:
                open_lines = []
                yield first, row
            elif len(open_lines) > _MOST_LINES:
                break
            continue
        if not text.strip():
            continue
        cells = text.split("\t")
        width = width or len(cells)
        if len(cells) == width or '"' not in text:
            yield number, [_unquoted(cell) for cell in cells]
            continue
        row = _quoted_row([text])
        if row is not None and len(row) == width:
            yield number, row
        elif row is None and len(cells) < width:
            first, open_lines = number, [text]
        else:
            yield number, [_unquoted(cell) for cell in cells]
    if open_lines:
        raise ValueError(
            f"{path}, line {first} has fewer values than the header's {width} columns, and its "
            f"last one begins with a quote that is not closed: {open_lines[0]!r:.60}"
        )


def _quoted_row(lines: list[str]) -> list[str] | None:
    """Read tab-separated values with quoting; ``None`` if a quote is not closed."""
    with _long_cells():
        try:
            rows = list(csv.reader((f"{line}\n" for line in lines), delimiter="\t", strict=True))
        except csv.Error:
            return None
    return rows[0] if len(rows) == 1 else None


def _unquoted(cell: str) -> str:
    inner = cell[1:-1]
    if len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return cell


def read_header(row: list[str], needed: list[str], place: str) -> list[str]:
    """Return the names of columns, without the space around them.

    Raises:
        ValueError: A column that is needed is named twice.
    """
    names = [name.strip() for name in row]
    for name in needed:
        if names.count(name) > 1:
            raise ValueError(
                f"{place} names the column {name!r} {names.count(name)} times, so that it is not "
                "clear which one is meant. Rename the others."
            )
    return names


@contextmanager
def _long_cells() -> Iterator[None]:
    """Lift the limit of the csv module on the length of cells, which is one for all readers."""
    before = csv.field_size_limit(_LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)
