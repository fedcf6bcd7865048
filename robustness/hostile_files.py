"""Hostile recipes, tables and images: files that are read, but not as a saved folder."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from quaterion_core.plugins import PluginError
from quaterion_core.storage import StorageError
from robustness.hostile_input import PACKAGES, Tried, refused
from robustness.sandbox import Case, Outcome, Watch, is_explained, run_cases

_OURS: Final = (StorageError, PluginError, ValueError, TypeError, FileNotFoundError)
"""What readers raise; they have to raise it themselves, so that nothing raw comes through."""

_RECIPE: Final = """\
data: {name: jsonl, files: {train: train.jsonl}, obj_a: question, obj_b: answer}
encoder: {name: static, embedding_size: 8}
head: gated
loss: {name: multiple-negatives-ranking}
epochs: 2
batch_size: 8
"""
_LINES: Final = "\n".join(json.dumps({"question": f"q{i}", "answer": f"a{i}"}) for i in range(4))
_TABLE: Final = "question,answer\n" + "".join(f"q{i},a{i}\n" for i in range(4))
_HOSTILE: Final = [
    b"", b"\x00", b"\xff\xfe", b"\x1b[31m", b"[" * 5000, b"{" * 5000, b"&a [*a]",
    b"!!python/object",
    b"\n" * 1000, b'"' * 101, b"1e999", b"NaN", b"9" * 5000, b"../../etc/passwd", b"\xed\xa0\x80",
    b"x" * 200_000,
]  # fmt: skip


@dataclass(frozen=True)
class FileSubject:
    """A kind of file.

    Args:
        name: What it is.
        file: The name of a file.
        content: That of a valid one.
        read: Reads it to the end.
    """

    name: str
    file: str
    content: bytes
    read: Callable[[Path], Any]


def file_subjects() -> list[FileSubject]:
    """Return all kinds of files."""
    from PIL import Image

    subjects = [
        FileSubject("recipe", "recipe.yaml", _RECIPE.encode(), _read_recipe),
        FileSubject("JSONL", "train.jsonl", _LINES.encode(), _read_lines),
        FileSubject("CSV", "train.csv", _TABLE.encode(), _read_csv),
    ]
    image = Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3) % 251)
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"):
        content = io.BytesIO()
        image.save(content, kind)
        subjects.append(
            FileSubject(f"image {kind}", f"image.{kind.lower()}", content.getvalue(), _read_image)
        )
    with contextlib.suppress(ImportError):
        subjects.append(_workbook())
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return subjects
    table = io.BytesIO()
    pq.write_table(pa.table({"question": ["a", "b"], "answer": ["c", "d"]}), table)
    subjects.append(FileSubject("Parquet", "train.parquet", table.getvalue(), _read_parquet))
    return subjects


def _workbook() -> FileSubject:
    import openpyxl

    content = io.BytesIO()
    workbook = openpyxl.Workbook()
    workbook.active.append(["question", "answer"])
    workbook.active.append(["q", "a"])
    workbook.save(content)
    return FileSubject("Excel", "train.xlsx", content.getvalue(), _read_workbook)


def _read_recipe(path: Path) -> None:
    from quaterion_core.recipe import read_recipe

    read_recipe(path)


def _read_lines(path: Path) -> None:
    from quaterion_core.dataset import JsonLinesDataset

    list(JsonLinesDataset({"train": path}, obj_a="question", obj_b="answer").load("train"))


def _read_csv(path: Path) -> None:
    from quaterion_core.dataset import CsvDataset

    list(CsvDataset({"train": path}, obj_a="question", obj_b="answer").load("train"))


def _read_parquet(path: Path) -> None:
    from quaterion_core.dataset import ParquetDataset

    list(ParquetDataset({"train": path}, obj_a="question", obj_b="answer").load("train"))


def _read_workbook(path: Path) -> None:
    from quaterion_core.dataset import ExcelDataset

    list(ExcelDataset({"train": path}, obj_a="question", obj_b="answer").load("train"))


def _read_image(path: Path) -> None:
    from quaterion_cv.images import read_image

    read_image(path, 3)


def try_files(
    count: int,
    *,
    first_seed: int = 0,
    jobs: int = 1,
    report: Callable[[int, int], None] = lambda *_: None,
) -> list[Tried]:
    """Change files and read them.

    Args:
        count: The number of cases, over all kinds of files.
        first_seed: Seed of the changes.
        jobs: Number of processes.
        report: Called with the number of cases that are done, and of all.
    """
    subjects = file_subjects()
    drawn = [
        (subject, content)
        for subject in subjects
        for content in _draw(subject, -(-count // len(subjects)), first_seed)
    ]
    with tempfile.TemporaryDirectory(prefix="robustness-") as root:
        for subject in subjects:
            valid = Path(root, subject.file)
            valid.write_bytes(subject.content)
            subject.read(valid)  # also imports what is needed
    cases = [file_case(subject, content) for subject, content in drawn]
    outcomes = run_cases(cases, PACKAGES, jobs=jobs, report=report)
    return [
        Tried(subject.name, "change bytes", outcome)
        for (subject, _), outcome in zip(drawn, outcomes, strict=True)
    ]


def _draw(subject: FileSubject, count: int, first_seed: int) -> list[bytes]:
    size = len(subject.content)
    edits = st.tuples(
        st.integers(0, size),
        st.integers(0, min(size, 8)),
        st.sampled_from(_HOSTILE) | st.binary(max_size=8),
    )
    drawn: list[bytes] = []

    @seed(first_seed)
    @settings(
        max_examples=count, phases=[Phase.generate], database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(edits, min_size=1, max_size=3))
    def one(listed: list[tuple[int, int, bytes]]) -> None:
        content = subject.content
        for start, length, new in listed:
            content = content[:start] + new + content[start + length :]
        drawn.append(content)

    one()
    return drawn


def file_case(subject: FileSubject, content: bytes) -> Case:
    """Return the case of reading a file: right if it is read, or refused by an error of ours."""

    def case(place: Path, watch: Watch) -> Outcome:
        file = place / subject.file
        file.write_bytes(content)
        with watch.allowing(place):
            try:
                subject.read(file)
            except _OURS as error:
                if not is_explained(error):
                    raise
                return refused(error)
        return Outcome("as the file says")

    return case
