"""Reading of text files: their encoding, lines and cells."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

UTF_8: Final = "utf-8"

_COMPRESSED: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_OTHER: Final = {
    b"PK\x03\x04": (
        "a ZIP archive or an Excel workbook",
        "Unpack the archive, or read the workbook with the dataset 'excel'.",
    ),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook (.xls)", "Save it as .xlsx, or export it as CSV."),
    b"PAR1": ("a Parquet file", "Read it with the dataset 'parquet'."),
    b"ARROW1": ("an Arrow file", "Read it with the dataset 'hugging-face', or as a table."),
    b"SQLite format 3": ("an SQLite database", "Export the table as CSV."),
}
_WIDE: Final = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_LONGEST: Final = 2**31 - 1
"""Maximum number of characters of a cell; the default of the csv module is 131,072."""
_LARGEST_EXPANSION: Final = 200
_SMALL_CONTENT: Final = 16 << 20
_FEW_ROWS: Final = 1_000_000
_MOST_LINES: Final = 1000
"""Maximum number of lines of a quoted value of a TSV file."""


def read_lines(path: Path, encoding: str = UTF_8) -> Iterator[tuple[int, str]]:
    r"""Yield the number and the content of each line of a file, without line ends.

    Lines end with ``\n``, ``\r\n`` or ``\r`` only; U+2028, for example, is part of a line. Files
    compressed with gzip, bzip2, xz or Zstandard, recognised by their first bytes, are decompressed
    on the fly. A byte order mark is skipped.

    Args:
        path: The file.
        encoding: Name of an encoding that Python knows.

    Raises:
        ValueError: The file is of another format, is broken, is not in this encoding, contains
            NUL characters, or expands to more than 200 times its size and 16 MiB.
        ImportError: The file is compressed with Zstandard, and pyarrow is not installed.
    """
    is_utf_8 = _codec(encoding) == UTF_8
    with _decompressed(path) as file:
        _check_start(file.peek(64)[:64], path, is_utf_8=is_utf_8)
        lines = _utf_8_lines(file, path) if is_utf_8 else _decoded_lines(file, path, encoding)
        for number, line in lines:
            if number == 1:
                line = line.removeprefix("\ufeff")
            if "\0" in line:
                raise ValueError(
                    f"{path}, line {number} contains a NUL byte. Expected text in "
                    f"{encoding.upper()}."
                )
            yield number, line


def check_encoding_name(encoding: str) -> None:
    """Raise an error if Python does not know an encoding.

    Raises:
        ValueError: The name is unknown, or not that of a text encoding.
    """
    try:
        is_text = codecs.lookup(encoding)._is_text_encoding
    except LookupError:
        is_text = False
    if not is_text:
        raise ValueError(
            f"Expected the name of an encoding, such as 'utf-8', 'latin-1', 'windows-1252' or "
            f"'utf-16', got {encoding!r}."
        )


@contextmanager
def _decompressed(path: Path) -> Iterator[io.BufferedReader[Any]]:
    """Open a file to read its bytes, decompressed if necessary."""
    with path.open("rb") as file:
        start = file.peek(8)
        kind = next((k for magic, k in _COMPRESSED.items() if start.startswith(magic)), None)
        if kind is None:
            yield file
            return
        try:
            with (
                _opener(kind)(file) as opened,
                io.BufferedReader(_Bounded(opened, path)) as content,
            ):
                yield content
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise ValueError(f"{path} is a broken {kind} file: {error}") from None


class _Bounded(io.RawIOBase):
    """Decompressed content of a file, refused once it is out of all proportion to the file.

    Args:
        content: The content.
        path: The file.
    """

    def __init__(self, content: BinaryIO, path: Path):
        self._content = content
        self._path = path
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._content.read(len(buffer))
        self._size += len(block)
        check_expansion(self._path, self._size)
        buffer[: len(block)] = block
        return len(block)


def check_expansion(path: Path, size: int, rows: int = 0) -> None:
    """Refuse a small file that expands to gigabytes, as a decompression bomb does.

    Args:
        path: The file.
        size: Size of its content in bytes, so far or as the file states it.
        rows: Its number of rows, if the file states it.

    Raises:
        ValueError: The content has more than 16 MiB and 200 times the size of the file, or more
            than a million rows and 200 in each byte of the file.
    """
    largest = _LARGEST_EXPANSION * path.stat().st_size
    if size > max(largest, _SMALL_CONTENT) or rows > max(largest, _FEW_ROWS):
        raise ValueError(
            f"{path} expands to more than {_LARGEST_EXPANSION} times its size, as a file that is "
            "made to fill the memory does. If you trust it, decompress it first."
        )


def _opener(kind: str) -> Callable[[BinaryIO], Any]:
    if kind != "zstd":
        return {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}[kind]  # type: ignore[return-value]
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError(
            "Reading files compressed with Zstandard requires pyarrow. Install it with: "
            'pip install "quaterion-core[parquet]"'
        ) from error
    return lambda file: pyarrow.CompressedInputStream(file, "zstd")


def _check_start(start: bytes, path: Path, *, is_utf_8: bool) -> None:
    """Raise an error if the first bytes of a file are those of another format or encoding."""
    for magic, (kind, way_out) in _OTHER.items():
        if start.startswith(magic):
            raise ValueError(f"{path} is {kind}. Expected text. {way_out}")
    if not is_utf_8:
        return
    for mark, encoding in _WIDE.items():
        if start.startswith(mark):
            raise ValueError(_wrong_encoding(path, encoding))
    if start[1::2].count(0) > len(start) // 4 or start[::2].count(0) > len(start) // 4:
        raise ValueError(_wrong_encoding(path, "UTF-16"))


def _wrong_encoding(path: Path, encoding: str) -> str:
    return (
        f"{path} is in {encoding}. Expected text in UTF-8. Give encoding={encoding.lower()!r}, or "
        f"convert it: iconv -f {encoding} -t UTF-8 {path.name}"
    )


def _codec(encoding: str) -> str:
    name = codecs.lookup(encoding).name
    return UTF_8 if name == "utf-8-sig" else name


def _utf_8_lines(file: io.BufferedReader[Any], path: Path) -> Iterator[tuple[int, str]]:
    number = 0
    for part in file:
        for line in part.splitlines():
            number += 1
            try:
                yield number, line.decode(UTF_8)
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path}, line {number} is not UTF-8: byte 0x{line[error.start]:02x} in column "
                    f"{error.start + 1}. The file may be in Latin-1 or Windows-1252. Give "
                    "encoding='windows-1252', or convert it: "
                    f"iconv -f WINDOWS-1252 -t UTF-8 {path.name}"
                ) from None


def _decoded_lines(
    file: io.BufferedReader[Any], path: Path, encoding: str
) -> Iterator[tuple[int, str]]:
    number = 0
    text = io.TextIOWrapper(file, encoding)
    try:
        for number, line in enumerate(text, 1):
            yield number, line.removesuffix("\n")
    except UnicodeError as error:
        raise ValueError(
            f"{path}, line {number + 1} or soon after, is not in {encoding}: {error}"
        ) from None
    finally:
        text.detach()


def read_csv(
    path: Path, encoding: str = UTF_8, delimiter: str = ","
) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first line and the cells of each row of a CSV file.

    A quoted cell may contain line breaks and doubled quotes (RFC 4180). Blank lines are skipped.

    Args:
        path: The file.
        encoding: Its encoding.
        delimiter: The character that separates values.

    Raises:
        ValueError: The file is not text in this encoding, or a quote is not closed.
    """
    number = 0

    def lines() -> Iterator[str]:
        nonlocal number
        for place, line in read_lines(path, encoding):
            number = place
            yield line + "\n"

    with _long_cells():
        reader = csv.reader(lines(), strict=True, delimiter=delimiter)
        while True:
            first = number + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise ValueError(
                    f"{path}, line {first} is not CSV: {error}, in line {number}. A value that "
                    'begins with a quote must end with one, with quotes inside doubled: "a ""b"""'
                ) from None
            if row and not (len(row) == 1 and not row[0].strip()):
                yield first, row


def read_tsv(path: Path, encoding: str = UTF_8) -> Iterator[tuple[int, list[str]]]:
    r"""Yield the number of the first line and the cells of each row of a TSV file.

    Each line is a row, and quotes are ordinary characters, as most TSV files are written without
    quoting. A value is quoted if it begins and ends with a quote and all quotes inside are doubled.
    If a line and the header differ in their number of values, quoted values may also contain
    tabs and line breaks. Blank lines are skipped.

    Raises:
        ValueError: The file is not text in UTF-8.
    """
    width = 0
    open_lines: list[str] = []  # of a row whose last value is quoted and not closed yet
    first = 0
    for number, text in read_lines(path, encoding):
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


def read_unquoted(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a file in which each line is a row and quotes are ordinary characters.

    Blank lines are skipped.

    Args:
        path: The file.
        encoding: Its encoding.
        delimiter: The character that separates values.

    Raises:
        ValueError: The file is not text in this encoding.
    """
    for number, text in read_lines(path, encoding):
        if text.strip():
            yield number, text.split(delimiter)


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
    """Return the names of columns, without surrounding whitespace.

    Raises:
        ValueError: A needed column occurs more than once.
    """
    names = [name.strip() for name in row]
    for name in needed:
        if names.count(name) > 1:
            raise ValueError(
                f"{place} names the column {name!r} {names.count(name)} times, so it is not "
                "clear which one to read. Rename the others."
            )
    return names


@contextmanager
def _long_cells() -> Iterator[None]:
    """Raise the csv module's limit on the length of cells, which is global."""
    before = csv.field_size_limit(_LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)
