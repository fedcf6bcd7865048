"""Filling a table: batches of objects of similar length, committed as they finish."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from torch.utils.data import DataLoader

from quaterion_core.encoders.encoder import Encoder
from quaterion_core.storage import InvalidFolderError, NotWritableError, json_text, read_json
from quaterion_core.storage.json_files import JSON_LIMIT
from quaterion_core.train.cache.embedding_table import EmbeddingTable
from quaterion_core.train.cache.object_source import CollatedBatches, ObjectSource
from quaterion_core.types import CollateFnType
from quaterion_core.utils.tensors import move_to_device

SECONDS_BETWEEN_COMMITS: Final = 2.0
_MOST_TIMES_BATCH_SIZE: Final = 8
_LONGEST_CHECKSUM: Final = 9
"""Characters of a checksum in the record, with a blank."""


def plan_batches(
    lengths: npt.NDArray[np.int64] | None, rows: int, batch_size: int
) -> list[npt.NDArray[np.int64]]:
    """Divide rows into batches of similar cost, the longest objects first.

    The padded length of a batch, its number of objects times the length of the longest, is at most
    ``batch_size`` times the mean length; a batch has at most eight times ``batch_size`` objects.
    The longest come first, so a batch that does not fit into memory fails at once.

    Args:
        lengths: Length of the object of each row, shape (R,), or ``None`` if all are equal.
        rows: Number of rows R.
        batch_size: Number of objects of mean length in a batch.

    Returns:
        The rows of each batch.

    Example:
        >>> [batch.tolist() for batch in plan_batches(np.array([1, 8, 1, 1, 1]), 5, 2)]
        [[1], [0, 2, 3, 4]]
    """
    if lengths is None:
        return np.split(np.arange(rows), np.arange(batch_size, rows, batch_size))
    order = np.argsort(-lengths, kind="stable")
    ordered = np.maximum(lengths[order], 1)
    budget = batch_size * max(float(ordered.mean()), 1.0) if rows else 0.0
    batches = []
    start = 0
    while start < rows:
        count = int(np.clip(budget // ordered[start], 1, _MOST_TIMES_BATCH_SIZE * batch_size))
        batches.append(order[start : start + count])
        start += count
    return batches


class FillProgress:
    """Record on disk of the batches of a table that are filled, with their checksums.

    Args:
        file: Where to keep the record; ``None`` to keep none.
    """

    def __init__(self, file: Path | None):
        self._file = file

    def read(self, batches: int) -> list[int]:
        """Return the checksums of the batches that are known to be filled, from the first on.

        Args:
            batches: Number of batches of the table; surplus checksums are left out.
        """
        if self._file is None or not self._file.exists():
            return []
        limit = JSON_LIMIT + _LONGEST_CHECKSUM * batches
        try:
            checksums = str(read_json(self._file, limit=limit).get("checksums", ""))
            return [int(checksum, 16) for checksum in checksums.split()[:batches]]
        except (InvalidFolderError, ValueError):
            return []

    def write(self, checksums: list[int]) -> None:
        """Replace the checksums atomically.

        Raises:
            NotWritableError: The file cannot be written.
        """
        if self._file is None:
            return
        text = " ".join(f"{checksum:x}" for checksum in checksums)
        temporary = self._file.with_suffix(".new")
        try:
            temporary.unlink(missing_ok=True)  # of a process that was killed
            with temporary.open("x") as stream:
                stream.write(json_text({"batches": len(checksums), "checksums": text}))
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self._file)
        except OSError as error:
            raise NotWritableError(
                f"The cache cannot be written to {self._file.parent}: {error.strerror}. The "
                "embeddings so far are kept, and another run continues from there."
            ) from error


def fill_table(
    table: EmbeddingTable,
    encoder: Encoder,
    sources: list[ObjectSource],
    batches: list[npt.NDArray[np.int64]],
    object_numbers: npt.NDArray[np.int64],
    *,
    name: str,
    collate: CollateFnType,
    progress: FillProgress,
    num_workers: int = 0,
    device: torch.device | str = "cpu",
) -> None:
    """Embed the distinct objects into a table; resume where an earlier attempt stopped.

    Args:
        table: A row for each of R objects.
        encoder: A frozen encoder.
        sources: Where the objects are.
        batches: What :func:`plan_batches` returned.
        object_numbers: Number of the object of each row, shape (R,).
        name: The encoder's key, for the progress bar and errors.
        collate: The encoder's collate function, for training or for other data.
        progress: Record of the batches that are filled.
        num_workers: Number of processes that read and collate.
        device: Where to run the encoder. It is moved back to the CPU at the end.

    Raises:
        ValueError: The encoder returns NaN or infinity.
        NotWritableError: The table is incomplete or damaged, and cannot be written to.
    """
    steps = [(torch.from_numpy(b), view) for view in range(table.views) for b in batches]
    checksums = [] if table.is_new else progress.read(len(steps))
    todo = [
        step
        for step, (rows, view) in enumerate(steps)
        if step >= len(checksums) or table.checksum(rows, view) != checksums[step]
    ]
    if not todo:
        return
    if not table.is_writable:
        raise NotWritableError(
            f"The cache of the encoder {name!r} in {table.file} is read-only, and {len(todo)} of "
            f"its {len(steps)} batches are missing or damaged. Make it writable, or choose another "
            "save_dir."
        )
    damaged = sum(step < len(checksums) for step in todo)
    if damaged:
        warnings.warn(
            f"{damaged} of {len(steps)} batches of the cache of the encoder {name!r} in "
            f"{table.file} are damaged, and are embedded again.",
            stacklevel=2,
        )
    numbers = [object_numbers[steps[step][0].numpy()] for step in todo]
    total, missing = sum(len(rows) for rows, _ in steps), sum(map(len, numbers))
    committed = time.monotonic()
    bar = _progress_bar(name, total, total - missing)
    with torch.no_grad(), _on_device(encoder, device), bar as advance:
        collated = CollatedBatches(sources, numbers, collate)
        loader = DataLoader(collated, batch_size=None, num_workers=num_workers)
        for step, batch in zip(todo, loader, strict=True):
            embeddings = encoder(move_to_device(batch, torch.device(device)))
            rows, view = steps[step]
            _check(embeddings, name, len(rows), encoder.embedding_size)
            table.write(rows, embeddings, view)
            checksums[step : step + 1] = [table.checksum(rows, view)]
            advance(len(rows))
            if time.monotonic() - committed >= SECONDS_BETWEEN_COMMITS:
                table.flush()
                progress.write(checksums)
                committed = time.monotonic()
    table.flush()
    progress.write(checksums)


@contextmanager
def _on_device(encoder: Encoder, device: torch.device | str) -> Iterator[None]:
    """Run a frozen encoder on a device, and move it back to the CPU at the end."""
    encoder.eval().to(device)
    try:
        yield
    finally:
        encoder.to("cpu")


def _check(embeddings: torch.Tensor, name: str, count: int, size: int) -> None:
    if embeddings.shape != (count, size):
        raise ValueError(
            f"Expected embeddings of shape ({count}, {size}) from the encoder {name!r}, got "
            f"{tuple(embeddings.shape)}."
        )
    if not torch.isfinite(embeddings).all():
        raise ValueError(
            f"The encoder {name!r} returns NaN or infinity for an object of the training or "
            "validation data. Check the data for such values."
        )


class _Rate(ProgressColumn):
    """Objects per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "")


@contextmanager
def _progress_bar(name: str, total: int, done: int) -> Iterator[Callable[[int], None]]:
    """Show the number of embedded objects, their rate and the remaining time."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(f"Caching {name}", total=total, completed=done)
        yield lambda count: progress.advance(task, count)
