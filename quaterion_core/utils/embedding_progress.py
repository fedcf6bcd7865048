"""Progress of embedding many objects: a bar on standard error for what takes long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

SECONDS_IN_SILENCE: Final = 2.0
"""Seconds after which the bar appears."""


class EmbeddingProgress:
    """The number of objects embedded so far, shown on a terminal.

    Args:
        total: Number of objects; ``None`` if it is not known.
    """

    def __init__(self, total: int | None = None):
        self._total = total
        self._done = 0
        self._started = time.monotonic()
        self._bar: tuple[Progress, TaskID] | None = None

    def advance(self, count: int) -> None:
        """Add objects that have been embedded."""
        self._done += count
        if self._bar is None and time.monotonic() - self._started >= SECONDS_IN_SILENCE:
            self._bar = self._new_bar()
        if self._bar is not None:
            progress, task = self._bar
            progress.update(task, completed=self._done)

    def close(self) -> None:
        """Remove the bar from the terminal."""
        if self._bar is not None:
            self._bar[0].stop()

    def _new_bar(self) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        progress.start()
        return progress, progress.add_task("Embedding", total=self._total)


_CURRENT: ContextVar[EmbeddingProgress | None] = ContextVar("embedding_progress", default=None)


@contextmanager
def embedding_progress(total: int | None = None) -> Iterator[None]:
    """Show how many objects models embed within a ``with`` block, if it takes over two seconds.

    The bar is written to standard error, only if that is a terminal, and is removed at the end. A
    block within another one adds to the bar of the outer one.

    Args:
        total: Number of objects; ``None`` if it is not known.
    """
    if _CURRENT.get() is not None:
        yield
        return
    progress = EmbeddingProgress(total)
    token = _CURRENT.set(progress)
    try:
        yield
    finally:
        _CURRENT.reset(token)
        progress.close()


def embedded(count: int) -> None:
    """Count objects that have been embedded, for the bar of the enclosing block, if any."""
    if (progress := _CURRENT.get()) is not None:
        progress.advance(count)
