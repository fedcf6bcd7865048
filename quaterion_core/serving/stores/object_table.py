"""Ids and payloads of a store in a folder: an SQLite database, read as an untrusted file."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from quaterion_core.serving.stores.filters import Condition
from quaterion_core.serving.stores.sql import where_clause
from quaterion_core.serving.stores.vector_file import MOST_DIMENSIONS, Chunk
from quaterion_core.storage import InvalidFolderError
from quaterion_core.storage.databases import connected, transaction
from quaterion_core.storage.regular_files import kind_of_file, not_regular
from quaterion_core.utils.faults import first_fault

FILE: Final = "objects.sqlite"

_UNFINISHED: Final = "objects.new"
_BESIDE: Final = {FILE, f"{FILE}-wal", f"{FILE}-shm"}
_MOST_FILES: Final = 8
_AT_ONCE: Final = 500
"""Number of ids or rows in one statement; older versions of SQLite take 999."""
_SCHEMA: Final = {
    "objects": "CREATE TABLE objects (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, payload "
    "TEXT NOT NULL)",
    "chunks": "CREATE TABLE chunks (start INTEGER PRIMARY KEY, count INTEGER NOT NULL, digest TEXT "
    "NOT NULL)",
    "state": "CREATE TABLE state (rows INTEGER NOT NULL, objects INTEGER NOT NULL, generation "
    "INTEGER NOT NULL, settings TEXT NOT NULL)",
}


class Settings(BaseModel):
    """What a store is created with.

    Attributes:
        format_version: Version of the format.
        embedding_size: Size D of the vectors.
        distance: Distance whose similarity ranks.
        dtype: Type of the vectors in their file.
        metadata: JSON values of the owner.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    format_version: Literal[1] = 1
    embedding_size: int = Field(ge=1, le=MOST_DIMENSIONS)
    distance: Literal["euclidean", "cosine", "dot_product", "manhattan"]
    dtype: Literal["float32", "int8"]
    metadata: dict[str, JsonValue]


@dataclass
class Counts:
    """How much a store holds.

    Attributes:
        rows: Number of rows of the file of vectors that are in use, dead ones included.
        objects: Number of objects.
        generation: Number of the file of vectors.
    """

    rows: int
    objects: int
    generation: int


class ObjectTable:
    """Ids and payloads by the row of their vector.

    Args:
        folder: The folder that holds the database.
        read_only: Refuse changes.

    Raises:
        InvalidFolderError: There is no database, or it is none that :meth:`create` made.

    Attributes:
        settings: What the store was created with.
    """

    def __init__(self, folder: Path, *, read_only: bool):
        _check_files(folder)
        self._folder, self._read_only = folder, read_only
        self._source = folder / FILE
        uri = f"{self._source.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
        try:
            self._connect(uri)
        except sqlite3.OperationalError:
            # Without permission or space, SQLite cannot make its files for several processes.
            if not read_only or _is_in_use(folder):
                raise
            self._connect(f"{uri}&immutable=1")

    def _connect(self, uri: str) -> None:
        self._connection = connected(uri)
        try:
            self.settings = self._checked()
        except BaseException:
            self._connection.close()
            raise

    @staticmethod
    def create(folder: Path, settings: Settings) -> None:
        """Make a database for an empty store atomically."""
        _remove_unfinished(folder)
        source = folder / _UNFINISHED
        try:
            connection = connected(f"{source.absolute().as_uri()}?mode=rwc")
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                with transaction(connection):
                    for statement in _SCHEMA.values():
                        connection.execute(statement)
                    text = settings.model_dump_json()
                    connection.execute("INSERT INTO state VALUES (0, 0, 0, ?)", (text,))
            finally:
                connection.close()
            if (folder / f"{_UNFINISHED}-wal").exists():  # what it holds could not be moved
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            source.replace(folder / FILE)
        except BaseException:
            _remove_unfinished(folder)
            with suppress(OSError):
                folder.rmdir()
            raise

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def reopened(self) -> ObjectTable:
        """Close the database, and return it opened anew."""
        self.close()
        return ObjectTable(self._folder, read_only=self._read_only)

    def counts(self) -> Counts:
        """Return how much the store holds."""
        return Counts(*self._row("SELECT rows, objects, generation FROM state"))

    @contextmanager
    def reading(self) -> Iterator[Counts]:
        """Read one state within a ``with`` block, whatever others write."""
        self._connection.execute("BEGIN")
        try:
            yield self.counts()
        finally:
            self._connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[Counts]:
        """Change the table within a ``with`` block, which is kept as a whole or not at all.

        Waits for others that write.

        Yields:
            How much the store holds, to be changed along.
        """
        with transaction(self._connection):
            counts = self.counts()
            yield counts
            self._connection.execute(
                "UPDATE state SET rows = ?, objects = ?, generation = ?",
                (counts.rows, counts.objects, counts.generation),
            )

    def add(self, ids: Sequence[str], payloads: Sequence[str], chunk: Chunk) -> int:
        """Add objects, whose vectors are those of a chunk, and remove those with the same ids.

        Returns:
            The number of objects that were replaced.
        """
        replaced = self.remove(ids)
        self._connection.executemany(
            "INSERT INTO objects VALUES (?, ?, ?)",
            zip(range(chunk.start, chunk.start + chunk.size), ids, payloads, strict=True),
        )
        self._connection.execute("INSERT INTO chunks VALUES (?, ?, ?)", tuple(chunk))
        return replaced

    def remove(self, ids: Sequence[str]) -> int:
        """Remove objects, and return how many there were."""
        before = self._connection.total_changes
        self._connection.executemany("DELETE FROM objects WHERE id = ?", ((name,) for name in ids))
        return self._connection.total_changes - before

    def renumber(self, rows: npt.NDArray[np.int64], chunks: Iterable[Chunk]) -> None:
        """Number the objects in the order of their rows, without gaps, and replace the chunks."""
        # In ascending order, a row is always free when an object gets it.
        self._connection.executemany(
            "UPDATE objects SET row = ? WHERE row = ?", enumerate(rows.tolist())
        )
        self._connection.execute("DELETE FROM chunks")
        self._connection.executemany("INSERT INTO chunks VALUES (?, ?, ?)", map(tuple, chunks))

    def rows(self, where: Condition | None = None) -> npt.NDArray[np.int64]:
        """Return the rows of all objects that fulfil a condition, ascending."""
        clause, values = ("1", []) if where is None else where_clause(where)
        statement = f"SELECT row FROM objects WHERE {clause} ORDER BY row"
        found = self._connection.execute(statement, values)
        return np.fromiter((row for (row,) in found), dtype=np.int64)

    def by_id(self, ids: Iterable[str]) -> dict[str, str]:
        """Return payloads by id."""
        return dict(self._chosen("id, payload", "id", ids))

    def by_row(self, rows: Iterable[int]) -> dict[int, tuple[str, str]]:
        """Return ids and payloads by row."""
        found = self._chosen("row, id, payload", "row", rows)
        return {row: (name, payload) for row, name, payload in found}

    def chunks(self) -> list[Chunk]:
        """Return the chunks of the file of vectors."""
        found = self._connection.execute("SELECT start, count, digest FROM chunks ORDER BY start")
        return [Chunk(*row) for row in found]

    def check(self) -> None:
        """Read the whole database.

        Raises:
            InvalidFolderError: It is damaged.
        """
        (found,) = self._row("PRAGMA integrity_check(1)")
        if found != "ok":
            raise InvalidFolderError(f"{self._source} is damaged: {found:.200}. Build it again.")

    def _chosen(self, columns: str, key: str, values: Iterable[Any]) -> Iterator[Any]:
        chosen = list(values)
        for start in range(0, len(chosen), _AT_ONCE):
            part = chosen[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(part))
            statement = f"SELECT {columns} FROM objects WHERE {key} IN ({marks})"
            yield from self._connection.execute(statement, part)

    def _row(self, statement: str) -> Any:
        found = self._connection.execute(statement).fetchone()
        if found is None:
            raise InvalidFolderError(f"{self._source} has no state. Build it again.")
        return found

    def _checked(self) -> Settings:
        """Check that the database has the schema of :meth:`create`, and return the settings."""
        problem = f"{self._source} is no database of a store"
        schema = self._connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_autoindex_%'"
        )
        if dict(schema.fetchmany(len(_SCHEMA) + 1)) != _SCHEMA:
            raise InvalidFolderError(f"{problem}. Give the folder that was created as a store.")
        (text,) = self._row("SELECT settings FROM state")
        counts = self.counts()
        for name, value in vars(counts).items():
            if type(value) is not int or not 0 <= value < 2**48:
                raise InvalidFolderError(f"{problem}: it states {value!r:.80} as {name}.")
        if counts.objects > counts.rows:
            raise InvalidFolderError(f"{problem}: it states more objects than rows.")
        try:
            return Settings.model_validate_json(text)
        except ValidationError as error:
            raise InvalidFolderError(f"{problem}: {first_fault(error)}.") from error


def is_unfinished(folder: Path) -> bool:
    """Return whether a folder holds nothing but what a killed process left of creating a store."""
    return all(path.name.startswith(_UNFINISHED) for path in folder.iterdir())


def _remove_unfinished(folder: Path) -> None:
    for path in folder.glob(f"{_UNFINISHED}*"):
        path.unlink()


def _is_in_use(folder: Path) -> bool:
    """Return whether a process is writing, or was killed before its changes were moved."""
    log = folder / f"{FILE}-wal"
    return log.exists() and log.stat().st_size > 0


def _check_files(folder: Path) -> None:
    """Check that a folder holds the regular files of a store, and no others.

    Raises:
        InvalidFolderError: It does not.
    """
    if not folder.is_dir() or not (folder / FILE).exists():
        raise InvalidFolderError(f"{folder} holds no store: there is no {FILE} in it.")
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            try:
                mode = entry.stat(follow_symlinks=False).st_mode
            except FileNotFoundError:  # another process has just closed the store
                continue
            if not stat.S_ISREG(mode):
                raise not_regular(entry.path, kind_of_file(mode))
            if number >= _MOST_FILES or not (
                entry.name in _BESIDE or entry.name.startswith(("vectors-", ".vectors-"))
            ):
                raise InvalidFolderError(
                    f"{entry.path} is no file of a store. Remove it to open the store."
                )
