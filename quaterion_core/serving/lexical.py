"""Lexical search: the words of texts, ranked by BM25, and fusion with another ranking."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from quaterion_core.storage import InvalidFolderError
from quaterion_core.storage.databases import connected, explained, transaction
from quaterion_core.storage.regular_files import kind_of_file, not_regular

LEXICAL_FILE: Final = "lexical.sqlite"

_WORD: Final = re.compile(r"\w+")
_MOST_WORDS: Final = 200
"""Number of words of a query that are looked up."""
_RANK_CONSTANT: Final = 60
_SCHEMA: Final = (
    "CREATE TABLE ids (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE)",
    "CREATE VIRTUAL TABLE words USING fts5(text, tokenize='unicode61 remove_diacritics 2')",
)


class LexicalTable:
    """Texts by id, found by their words.

    Texts are ranked by BM25: words that few texts contain weigh more. Robertson, Zaragoza, The
    Probabilistic Relevance Framework: BM25 and Beyond, Foundations and Trends in Information
    Retrieval 3, 2009. It is the full-text search of SQLite (FTS5), which updates single texts.

    Args:
        path: The file.
        read_only: Refuse changes.

    Raises:
        InvalidFolderError: There is no such file, or none that :meth:`create` made.
        NotWritableError: It may not be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "lexical.sqlite")
        >>> LexicalTable.create(path)
        >>> table = LexicalTable(path, read_only=False)
        >>> table.add(["a", "b"], ["error E-1207 of the pump", "the pump is loud"])
        >>> table.search("what is E-1207?", 5)
        ['a', 'b']
        >>> table.close()
    """

    def __init__(self, path: Path, *, read_only: bool = True):
        self._path = path
        _check_files(path)
        with self._explained():
            mode = "ro" if read_only else "rw"
            self._connection = connected(f"{path.absolute().as_uri()}?mode={mode}")
            if _schema_of(self._connection) != _expected():
                self._connection.close()
                raise InvalidFolderError(f"{path} is no database of words. Build the index again.")

    @staticmethod
    def create(path: Path) -> None:
        """Make a new, empty file."""
        connection = connected(f"{path.absolute().as_uri()}?mode=rwc")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            for statement in _SCHEMA:
                connection.execute(statement)
        finally:
            connection.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(self, ids: Sequence[str], texts: Sequence[str]) -> None:
        """Add texts, or replace those with the same ids."""
        with self._writing():
            self._remove(ids)
            for name, text in zip(ids, texts, strict=True):
                added = self._connection.execute("INSERT INTO ids (id) VALUES (?)", (name,))
                values = added.lastrowid, text
                self._connection.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", values)

    def remove(self, ids: Sequence[str]) -> None:
        """Remove texts; unknown ids are ignored."""
        with self._writing():
            self._remove(ids)

    def search(self, query: str, count: int) -> list[str]:
        """Return the ids of the texts that share words with a query, best first."""
        words = dict.fromkeys(word.lower() for word in _WORD.findall(query))
        if not words:
            return []
        condition = " OR ".join(f'"{word}"' for word in list(words)[:_MOST_WORDS])
        with self._explained():
            found = self._connection.execute(
                "SELECT id FROM words JOIN ids ON ids.number = words.rowid WHERE words MATCH ? "
                "ORDER BY rank LIMIT ?",
                (condition, count),
            )
            return [str(name) for (name,) in found]

    def _remove(self, ids: Sequence[str]) -> None:
        for name in ids:
            known = self._connection.execute("SELECT number FROM ids WHERE id = ?", (name,))
            if (row := known.fetchone()) is not None:
                self._connection.execute("DELETE FROM words WHERE rowid = ?", row)
                self._connection.execute("DELETE FROM ids WHERE number = ?", row)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._explained(), transaction(self._connection):
            yield

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise explained(error, self._path) from error


def fused(rankings: Sequence[Sequence[str]], count: int) -> list[tuple[str, float]]:
    """Return the ids with the highest reciprocal-rank scores, best first, and these scores.

    The score of an id is the sum of 1/(60 + rank) over the rankings that contain it.

    Source: Cormack, Clarke, Buettcher, Reciprocal Rank Fusion Outperforms Condorcet and Individual
    Rank Learning Methods, SIGIR 2009.

    Example:
        >>> [name for name, _ in fused([["a", "b", "c"], ["c", "b"]], 2)]
        ['c', 'b']
    """
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, name in enumerate(ranking, 1):
            scores[name] = scores.get(name, 0.0) + 1 / (_RANK_CONSTANT + rank)
    return sorted(scores.items(), key=lambda item: -item[1])[:count]


def _expected() -> dict[str, str]:
    with connected("file::memory:") as connection:
        for statement in _SCHEMA:
            connection.execute(statement)
        found = _schema_of(connection)
    connection.close()
    return found


def _schema_of(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return dict(rows.fetchmany(20))


def _check_files(path: Path) -> None:
    for other in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        if other.is_symlink() or (other.exists() and not other.is_file()):
            raise not_regular(other, kind_of_file(other.lstat().st_mode))
    if Path(f"{path}-journal").exists():
        raise InvalidFolderError(f"{path}-journal is no file of an index. Remove it to open it.")
    if not path.exists():
        raise InvalidFolderError(
            f"The index has no lexical side: there is no {path}. Build it with lexical=True, on "
            "the command line --lexical."
        )
