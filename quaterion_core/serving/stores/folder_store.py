"""Stores in a folder: vectors in a memory-mapped file, ids and payloads in a database."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from quaterion_core.distances import BaseDistance, Distance
from quaterion_core.distances.top_k import queries_per_block
from quaterion_core.serving.stores.filters import Condition
from quaterion_core.serving.stores.object_table import (
    FILE,
    Counts,
    ObjectTable,
    Settings,
    is_unfinished,
)
from quaterion_core.serving.stores.store import (
    Hit,
    Payload,
    Record,
    Store,
    Vectors,
    check_objects,
    check_vectors,
    payload_text,
)
from quaterion_core.serving.stores.vector_file import VectorFile, VectorType
from quaterion_core.storage import InvalidFolderError, NotWritableError, check_output_folder
from quaterion_core.storage.databases import explained
from quaterion_core.utils.objects import positive_count

T = TypeVar("T")

_DEAD: Final = 1000
"""Number of replaced vectors from which on their space is reclaimed, if they are the majority."""


@dataclass(frozen=True)
class FolderState:
    """One state of a folder, whatever others write.

    Attributes:
        counts: How much it holds.
        vectors: The file of the vectors.
        table: Ids and payloads by row.
    """

    counts: Counts
    vectors: VectorFile
    table: ObjectTable

    def rows(self, where: Condition | None) -> npt.NDArray[np.int64] | None:
        """Return the rows to search, ascending; ``None`` for all.

        Rows of objects that were deleted or replaced are left out.
        """
        if where is None and self.counts.objects == self.counts.rows:
            return None
        return self.table.rows(where)


Found = list[tuple[float, int]]
"""Score and row of the results of a query, best first."""


class FolderStore(Store):
    """Base class of stores in a folder; a subclass says how the nearest vectors are found.

    Vectors lie in a file that is mapped into memory, so that several processes share it; ids and
    payloads lie in an SQLite database beside it. What was stored is kept if the process is killed,
    and readers see one state while another process writes.

    Vectors are unit vectors for cosine. As int8, each vector is quantized to 255 levels between its
    largest and smallest value, symmetric around 0, and scores are computed in float32.

    Args:
        location: The folder.
        dtype: Type of the vectors in the file, for :meth:`create`.
    """

    def __init__(self, location: str, dtype: VectorType = "float32"):
        super().__init__(location)
        self._folder = Path(location)
        self._dtype: VectorType = dtype
        self._lock = threading.RLock()  # threads of one process share the connection
        self._table: ObjectTable | None = None
        self._files: dict[int, VectorFile] = {}

    def create(self, embedding_size: int, distance: Distance, metadata: Mapping[str, Any]) -> None:
        """Make a new, empty store in a new or empty folder, and open it for writing.

        Raises:
            OutputExistsError: The folder is not empty.
            NotWritableError: The folder cannot be written.
            ValueError: ``embedding_size`` is not between 1 and 65,536.
        """
        settings = Settings(
            embedding_size=embedding_size,
            distance=Distance(distance).value,
            dtype=self._dtype,
            metadata=json.loads(payload_text(metadata)),
        )
        check_output_folder(self._folder, may_replace=is_unfinished)
        with self._explained():
            self._folder.mkdir(parents=True, exist_ok=True)
            ObjectTable.create(self._folder, settings)
        self.open(read_only=False)

    def open(self, *, read_only: bool = True) -> None:
        """Open a store that exists.

        Raises:
            InvalidFolderError: There is no store, or it is damaged.
            NotWritableError: It is to be written, but may not be.
        """
        self.close()
        with self._explained():
            self._table = ObjectTable(self._folder, read_only=read_only)

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            if self._table is not None:
                self._table.close()
            self._table = None
            self._files = {}

    @property
    def embedding_size(self) -> int:
        """Size D of the vectors."""
        return self._opened.settings.embedding_size

    @property
    def distance(self) -> Distance:
        """Distance whose similarity ranks."""
        return Distance(self._opened.settings.distance)

    @property
    def metadata(self) -> dict[str, Any]:
        """JSON values that :meth:`create` was given."""
        return dict(self._opened.settings.metadata)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the arguments of the constructor but the location, as JSON values."""
        return {"dtype": self._dtype}

    def __len__(self) -> int:
        """Return the number of objects."""
        with self._explained():
            return self._opened.counts().objects

    def upsert(self, ids: Sequence[str], vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Add objects, or replace those whose ids are known.

        Raises:
            TypeError: An id is not a string, or a payload holds something else than JSON values.
            ValueError: The numbers or the shape do not fit, a value is not finite, or ids repeat.
            NotWritableError: There is no space, or the store was opened for reading.
        """
        array = check_objects(ids, vectors, payloads, self.embedding_size)
        texts = [payload_text(payload) for payload in payloads]
        if not ids:
            return
        with self._explained(), self._opened.writing() as counts:
            chunk = self._file(counts.generation).append(counts.rows, self._stored(array))
            counts.objects += len(ids) - self._opened.add(ids, texts, chunk)
            counts.rows += len(ids)
        self._after_change()

    def delete(self, ids: Sequence[str]) -> int:
        """Remove objects, and return how many of the ids were known.

        Raises:
            NotWritableError: The store was opened for reading.
        """
        with self._explained(), self._opened.writing() as counts:
            deleted = self._opened.remove(ids)
            counts.objects -= deleted
        self._after_change()
        return deleted

    def get(self, ids: Sequence[str]) -> list[Record]:
        """Return the objects with these ids, in this order; unknown ids are left out."""
        with self._explained():
            found = self._opened.by_id(ids)
            return [Record(name, read_payload(found[name])) for name in ids if name in found]

    def search(
        self, queries: Vectors, top: int = 10, where: Condition | None = None
    ) -> list[list[Hit]]:
        """Return the nearest objects of each query, best first.

        Raises:
            ValueError: The shape does not fit, or a value is not finite.
        """
        array = torch.from_numpy(check_vectors(queries, self.embedding_size, "queries"))
        top = positive_count(top, "top")
        return self._of_one_state(lambda counts: self._found(array, top, where, counts))

    def verify(self) -> None:
        """Read everything, and compare it with the checksums.

        Raises:
            InvalidFolderError: Something is damaged.
        """
        self._of_one_state(self._check)

    def _check(self, counts: Counts) -> None:
        self._opened.check()
        self._file(counts.generation).check(self._opened.chunks(), counts.rows)

    def _of_one_state(self, read: Callable[[Counts], T]) -> T:
        """Return what a function reads of one state, whatever others write.

        The file of vectors of a state is removed once another process has reclaimed space.
        """
        with self._explained():
            while True:
                with self._opened.reading() as counts:
                    try:
                        return read(counts)
                    except FileNotFoundError:
                        generation = counts.generation
                if self._opened.counts().generation == generation:
                    # A connection that was opened while nobody wrote may not see later changes.
                    self._table = self._opened.reopened()
                if self._opened.counts().generation == generation:
                    raise FileNotFoundError(
                        errno.ENOENT, os.strerror(errno.ENOENT), str(self._path_of(generation))
                    )

    @abstractmethod
    def nearest(
        self, queries: Tensor, top: int, where: Condition | None, state: FolderState
    ) -> list[Found]:
        """Return the nearest vectors of each query among those of a state.

        Args:
            queries: Shape (Q, D), of unit length for cosine.
            top: Maximum number of results of each.
            where: Condition on the payloads of results.
            state: What is searched. It must be read within this call.
        """

    def changed(self, state: FolderState) -> None:
        """Follow a change that was kept.

        The default does nothing.
        """

    def read(self, function: Callable[[FolderState], T]) -> T:
        """Return what a function reads of one state."""
        return self._of_one_state(lambda counts: function(self._state(counts)))

    @property
    def metric(self) -> BaseDistance:
        """Distance of vectors as they are kept."""
        is_cosine = self.distance is Distance.COSINE
        return Distance.get_by_name(Distance.DOT_PRODUCT if is_cosine else self.distance)

    def _found(
        self, queries: Tensor, top: int, where: Condition | None, counts: Counts
    ) -> list[list[Hit]]:
        state = self._state(counts)
        state.vectors.require(counts.rows)
        if self.distance is Distance.COSINE:
            queries = torch.nn.functional.normalize(queries)
        found: list[Found] = []
        for part in torch.split(queries, queries_per_block(counts.rows)):
            found += self.nearest(part, top, where, state)
        objects = self._opened.by_row({row for of_query in found for _, row in of_query})
        return [
            [
                Hit(objects[row][0], score, read_payload(objects[row][1]))
                for score, row in of_query
                if row in objects
            ]
            for of_query in found
        ]

    def _state(self, counts: Counts) -> FolderState:
        return FolderState(counts, self._file(counts.generation), self._opened)

    def _after_change(self) -> None:
        self._reclaim()
        self.read(self.changed)

    def _stored(self, vectors: Vectors) -> Vectors:
        """Return vectors as they are kept: of length 1 for cosine."""
        if self.distance is not Distance.COSINE:
            return vectors
        units: Vectors = torch.nn.functional.normalize(torch.from_numpy(vectors)).numpy()
        return units

    def _reclaim(self) -> None:
        """Write the vectors anew without those that were replaced, if these are the majority."""
        with self._explained():
            counts = self._opened.counts()
            dead = counts.rows - counts.objects
            if dead < _DEAD or dead <= counts.objects:
                return
            with self._opened.writing() as counts:
                rows = self._opened.rows()
                old, new = self._file(counts.generation), self._file(counts.generation + 1)
                new.remove()
                self._opened.renumber(rows, list(old.copy_to(new, rows, counts.rows)))
                counts.rows, counts.generation = len(rows), counts.generation + 1
            old.remove()

    def _file(self, generation: int) -> VectorFile:
        if generation not in self._files:
            settings = self._opened.settings
            path = self._path_of(generation)
            self._files = {generation: VectorFile(path, settings.dtype, settings.embedding_size)}
        return self._files[generation]

    def _path_of(self, generation: int) -> Path:
        return self._folder / f"vectors-{generation}.{self._opened.settings.dtype}"

    @property
    def _opened(self) -> ObjectTable:
        if self._table is None:
            raise RuntimeError("Expected a store that is open. Call open() or create() first.")
        return self._table

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Let one thread at a time in, and explain errors of the database and of the system."""
        with self._lock:
            try:
                yield
            except (sqlite3.DatabaseError, OverflowError) as error:
                raise explained(error, self._folder / FILE) from error
            except FileNotFoundError as error:
                raise InvalidFolderError(
                    f"{self._folder} is incomplete: {error.filename} is missing. Build it again."
                ) from error
            except OSError as error:
                if isinstance(error, (InvalidFolderError, NotWritableError)):
                    raise
                raise NotWritableError(
                    f"{self._folder} cannot be written: {error.strerror}. What was there before "
                    "has not changed."
                ) from error


def read_payload(text: object) -> dict[str, Any]:
    """Return a payload of an untrusted database.

    Raises:
        InvalidFolderError: It is no JSON object.
    """
    with suppress(ValueError, TypeError, RecursionError):
        payload = json.loads(text) if isinstance(text, str) else None
        if isinstance(payload, dict):
            return payload
    raise InvalidFolderError(f"A payload is no JSON object: {text!r:.80}. Build the store again.")
