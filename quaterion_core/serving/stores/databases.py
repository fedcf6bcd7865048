"""SQLite databases of untrusted folders."""

from __future__ import annotations

import sqlite3
from typing import Final

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
