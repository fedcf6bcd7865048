"""A cache on disk of the embeddings that a server returned."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from quaterion_core.storage.databases import connected, transaction

_SCHEMA: Final = "CREATE TABLE vectors (key BLOB PRIMARY KEY, vector BLOB)"
_AT_ONCE: Final = 500


class AnswerCache:
    """Embeddings by URL, model, dimensions and text, in an SQLite file.

    What is read is checked, since the file may have been changed: a wrong entry is one that is not
    there. A file that cannot be used is left as it is, with a warning. Texts are kept as digests.

    Args:
        file: The file; its folder is made for this user alone.
        scope: What embeddings of a text depend on, such as the URL and the model.

    Example:
        >>> import tempfile
        >>> cache = AnswerCache(Path(tempfile.mkdtemp(), "answers.sqlite"), ["url", "model"])
        >>> cache.add(["a text"], np.array([[1.0, 2.0]], dtype=np.float32))
        >>> cache.get(["a text", "another"], 2)
        {'a text': array([1., 2.], dtype=float32)}
    """

    def __init__(self, file: Path, scope: Sequence[str | int | None]):
        self._file = file
        self._scope = json.dumps(list(scope)).encode()
        self._has_warned = False

    def get(self, texts: Sequence[str], size: int) -> dict[str, npt.NDArray[np.float32]]:
        """Return the embeddings (``size``,) that are there, by text."""
        found: dict[str, npt.NDArray[np.float32]] = {}
        if not self._file.is_file():
            return found
        by_key = {self._key(text): text for text in texts}
        keys = list(by_key)
        with self._tolerant(), self._opened() as connection:
            for start in range(0, len(keys), _AT_ONCE):
                part = keys[start : start + _AT_ONCE]
                places = ",".join("?" * len(part))
                query = (  # what is longer is not read
                    "SELECT key, vector FROM vectors WHERE length(vector) = ? AND key IN "
                    f"({places})"
                )
                for key, value in connection.execute(query, [4 * size, *part]):
                    vector = _vector(value, size)
                    if vector is not None and key in by_key:
                        found[by_key[key]] = vector
        return found

    def add(self, texts: Sequence[str], vectors: npt.NDArray[np.float32]) -> None:
        """Add the embeddings (N, D) of N texts."""
        rows = [
            (self._key(text), vector.astype("<f4").tobytes())
            for text, vector in zip(texts, vectors, strict=True)
        ]
        with self._tolerant():
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._opened() as connection, transaction(connection):
                connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def _key(self, text: str) -> bytes:
        digest = hashlib.blake2b(self._scope, digest_size=32)
        digest.update(b"\0" + text.encode("utf-8", "surrogatepass"))
        return digest.digest()

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with closing(connected(f"{self._file.absolute().as_uri()}?mode=rwc")) as connection:
            query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"  # not its index
            schema = [sql for (sql,) in connection.execute(query)]
            if not schema:
                with suppress(sqlite3.OperationalError), transaction(connection):
                    connection.execute(_SCHEMA)  # unless another process was faster
            elif schema != [_SCHEMA]:
                raise sqlite3.DatabaseError("it has other tables")
            yield connection

    @contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    f"The cache of embeddings {self._file} cannot be used: {error}. Texts are "
                    "embedded by the server again. Remove the file if it is damaged.",
                    stacklevel=2,
                )


def _vector(value: object, size: int) -> npt.NDArray[np.float32] | None:
    if not isinstance(value, bytes) or len(value) != 4 * size:
        return None
    vector = np.frombuffer(value, "<f4").astype(np.float32)
    return vector if np.isfinite(vector).all() else None
