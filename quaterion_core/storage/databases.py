"""SQLite databases that anybody may have written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from quaterion_core.storage.errors import InvalidFolderError, NotWritableError

_WAIT: Final = 60.0
"""Seconds to wait for another process that writes."""


def connected(uri: str) -> sqlite3.Connection:
    """Open a database as data: nothing that its schema could name is run."""
    connection = sqlite3.connect(
        uri, uri=True, timeout=_WAIT, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write within a ``with`` block, which is kept as a whole or not at all.

    Waits for others that write.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def explained(error: sqlite3.DatabaseError | OverflowError, path: Path) -> Exception:
    """Return an error of a database as one that says what to do.

    Args:
        error: What SQLite raised.
        path: The file.
    """
    text = str(error)
    if "too large" in text or "too many" in text:
        return ValueError(
            f"Expected a simpler condition, with fewer values or parts: {text}. Search several "
            "times, or store a field that groups the values."
        )
    if isinstance(error, sqlite3.OperationalError):
        if "locked" in text or "busy" in text:
            return NotWritableError(
                f"{path} is being written by another process. Try again when it is done."
            )
        if "readonly" in text:
            return NotWritableError(
                f"{path} was opened for reading, or may not be written. Open it with "
                "read_only=False, or ask for access."
            )
        if "full" in text or "disk I/O" in text or "unable to open" in text:
            return NotWritableError(
                f"{path} cannot be used: {text}. Free some space, or check the permissions. What "
                "was there before has not changed."
            )
    return InvalidFolderError(f"{path} is damaged: {text}. Build it again.")
