"""Hostile recipes, tables and images that were listed by hand; all of them have to be refused."""

from __future__ import annotations

import gzip
import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from robustness.hostile_files import file_case, file_subjects
from robustness.hostile_input import PACKAGES, Tried
from robustness.sandbox import Outcome, run_cases

_RECIPE: Final = """\
data: {name: jsonl, files: {train: train.jsonl}, obj_a: question, obj_b: answer}
encoder: {name: static, embedding_size: 8}
loss: {name: multiple-negatives-ranking}
epochs: 2
"""
_MANY: Final = 40 << 20


def try_listed_files(
    *, jobs: int = 1, report: Callable[[int, int], None] = lambda *_: None
) -> list[Tried]:
    """Read all listed files; one that is not refused becomes a fault.

    Args:
        jobs: Number of processes.
        report: Called with the number of cases that are done, and of all.
    """
    subjects = {subject.name: subject for subject in file_subjects()}
    cases = [
        (subjects[kind], name, content)
        for kind, name, content in _listed()
        if kind in subjects  # all but those of libraries that are not installed
    ]
    with tempfile.TemporaryDirectory(prefix="robustness-") as root:
        for subject in subjects.values():
            valid = Path(root, subject.file)
            valid.write_bytes(subject.content)
            subject.read(valid)  # also imports what is needed
    outcomes = run_cases(
        [file_case(subject, content) for subject, _, content in cases],
        PACKAGES,
        jobs=jobs,
        report=report,
    )
    return [
        Tried(
            "files listed by hand",
            f"{subject.name}: {name}",
            outcome if outcome.kind != "as the file says" else Outcome("not refused", "was read"),
        )
        for (subject, name, _), outcome in zip(cases, outcomes, strict=True)
    ]


def _listed() -> Iterator[tuple[str, str, bytes]]:
    """Yield the kind of each file, what is wrong with it, and its content."""
    for name, text in _recipes().items():
        yield "recipe", name, text.encode()
    pair = b'{"question": "q", "answer": "a"'
    yield "JSONL", "nested deeply", b'{"question":' + b"[" * 10**5 + b"]" * 10**5 + b"}"
    yield "JSONL", "a number of a million digits", pair + b', "x": ' + b"9" * 10**6 + b"}"
    yield "JSONL", "thousands of keys, one twice", _keys(60_000)
    yield "JSONL", "an array that is not closed", b"[" * 10**6
    yield "JSONL", "40 MB of one letter, compressed", gzip.compress(pair + b" " * _MANY, mtime=0)
    yield "JSONL", "compressed and cut off", gzip.compress(pair * 1000, mtime=0)[:-9]
    yield "JSONL", "no Zstandard", b"\x28\xb5\x2f\xfd" + bytes(50)
    yield "CSV", "escapes in the header", b"\x1b[31mquestion,answer\nq,a\n"
    yield "CSV", "escapes in a row", b"question,answer\nq,\x1b[2J,\x1b]0;x\x07\n"
    yield "CSV", "a quote that is not closed", b'question,answer\n"' + b"x,\n" * 10**6
    yield "CSV", "100,000 columns", b",".join(b"c%d" % number for number in range(10**5))
    yield "CSV", "100,000 faults", b"question,answer\n" + b"q,a,b\n" * 10**5
    for name, change in _workbooks().items():
        yield "Excel", name, change
    for name, content in _images().items():
        yield "image PNG", name, content


def _recipes() -> dict[str, str]:
    def with_size(text: str) -> str:
        return _RECIPE.replace("embedding_size: 8", f"embedding_size: {text}")

    doubled = "a0: &a0 [x, x]\n" + "".join(
        f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)
    )
    merged = "a0: &a0 {x: 1}\n" + "".join(
        f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: 1}}\n" for n in range(1, 25)
    )
    return {
        "aliases of aliases": doubled + _RECIPE,
        "aliases of aliases as an argument": doubled + with_size("*a39"),
        "aliases that are merged": merged + _RECIPE,
        "an alias within itself": with_size("&a [*a]"),
        "5,000 unknown keys": _RECIPE + "".join(f"k{number}: 1\n" for number in range(5000)),
        "2,000 unknown arguments": with_size("8, " + ", ".join(f"k{n}: 1" for n in range(2000))),
        "nested 500 levels": with_size("[" * 500 + "]" * 500),
        "nested 10,000 levels": with_size("{a: " * 10**4 + "1" + "}" * 10**4),
        "a number of 5,000 digits": with_size("9" * 5000),
        "a date that is none": with_size("2001-99-99"),
        "a time zone that is none": with_size("2001-12-14t21:59:43.10-99:99"),
        "a date": with_size("2001-12-14"),
        "keys that are no text": with_size("8, 1: 2, ~: 3"),
        "a set": with_size("!!set {a, b}"),
        "bytes": with_size("!!binary 'AAAA'"),
        "an object of Python": with_size("!!python/object/apply:os.system [id]"),
        "infinity": with_size(".inf"),
        "escapes in a key": _RECIPE + '"\\e[31mred": 1\n',
        "escapes in a name": _RECIPE.replace("name: static", 'name: "\\e[31mstatic"'),
        "a surrogate": _RECIPE.replace("name: static", 'name: "\\ud800"'),
        "a null character": _RECIPE.replace("name: static", 'name: "sta\\0tic"'),
        "a module as a component": _RECIPE.replace("name: static", "name: os.system"),
        "a path as a component": _RECIPE.replace("name: static", "name: ../../evil"),
        "two documents": f"{_RECIPE}---\n{_RECIPE}",
        "2 MB": f"{_RECIPE}# {'x' * (2 << 20)}",
    }


def _keys(number: int) -> bytes:
    keys = ",".join(f'"k{index}":1' for index in range(number))
    return f'{{{keys},"k{number - 1}":2}}'.encode()


def _workbooks() -> dict[str, bytes]:
    try:
        import openpyxl
    except ImportError:
        return {}
    whole = io.BytesIO()
    workbook = openpyxl.Workbook()
    workbook.active.append(["question", "answer"])
    workbook.active.append(["q", "a"])
    workbook.save(whole)

    def changed(part: str, before: bytes, after: bytes) -> bytes:
        result = io.BytesIO()
        with (
            zipfile.ZipFile(whole) as source,
            zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target,
        ):
            for name in source.namelist():
                content = source.read(name)
                target.writestr(name, content.replace(before, after) if name == part else content)
        return result.getvalue()

    sheet = "xl/worksheets/sheet1.xml"
    entities = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY b%d "%s">' % (n, (b"&b%d;" % (n - 1) if n else b"&a;") * 10) for n in range(9)
    )
    return {
        "a place that is none": changed(sheet, b'r="A1"', b'r="@@"'),
        "a sheet that is cut off": changed(sheet, b"</sheetData>", b"<"),
        "a sheet that lies outside": changed(
            "xl/_rels/workbook.xml.rels", b"worksheets/sheet1.xml", b"../../../etc/passwd"
        ),
        "entities of entities": changed(
            sheet, b"<sheetData>", b"<sheetData><row><c><v>&b8;</v></c></row>"
        ).replace(b"<worksheet", entities + b"]><worksheet"),
        "40 MB of zeros": changed(sheet, b"</worksheet>", bytes(_MANY)),
        "no workbook": changed("xl/workbook.xml", b"<sheets>", b"<nothing>"),
    }


def _images() -> dict[str, bytes]:
    size = struct.pack("<II", 13_000, 13_000)
    return {
        "400 million pixels": _png(20_000, 20_000, 1),
        "170 million pixels": _png(13_000, 13_000, 1),
        "a transparent palette of 170 million pixels": _png(13_000, 13_000, 8),
        "a size of 2**31": _png(5, 5, 1)[:16] + b"\x7f\xff\xff\xff" * 2 + _png(5, 5, 1)[24:],
        "a text of 40 MB": _with_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(_MANY))),
        "a profile of 40 MB": _with_chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(_MANY))),
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
        "a metafile": b"\xd7\xcd\xc6\x9a" + bytes(40),
        "a document of OLE": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "SVG": b'<svg xmlns="x"><image href="/etc/passwd"/></svg>',
        "a BLP image of 170 million pixels": b"BLP2\1\0\0\0\1\0\0\0" + size + bytes(2000),
        "an icon of 170 million pixels": struct.pack(
            "<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, 100, 22
        )
        + _png(13_000, 13_000, 1),
        "a GIF of 170 million pixels": b"GIF89a\xc8\x32\xc8\x32\x80\0\0"
        + bytes(6)
        + b",\0\0\0\0\xc8\x32\xc8\x32\0\2\2\x44\1\0;",
    }


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _png(width: int, height: int, depth: int) -> bytes:
    """Return a black PNG image: grey of 1 bit, or a transparent palette of 8 bits."""
    is_palette = depth == 8
    compressor = zlib.compressobj(9)
    row = bytes((width * depth + 7) // 8 + 1)
    data = b"".join(compressor.compress(row) for _ in range(height)) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, 3 if is_palette else 0, 0, 0, 0)
    palette = _chunk(b"PLTE", bytes(6)) + _chunk(b"tRNS", b"\0\x80") if is_palette else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + palette
        + _chunk(b"IDAT", data)
        + _chunk(b"IEND", b"")
    )


def _with_chunk(kind: bytes, data: bytes) -> bytes:
    image = _png(5, 5, 1)
    return image[:33] + _chunk(kind, data) + image[33:]
