"""Embeddings in a file: written block by block, and continued after an interruption."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, repeat
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from quaterion_core.dataset.object_digest import object_digest
from quaterion_core.encoding.blocks import Block, BlockEmbedder
from quaterion_core.encoding.skipped import Skipped, name_of
from quaterion_core.encoding.values import Values
from quaterion_core.encoding.vector_writers import VectorWriter, writer_for
from quaterion_core.storage import (
    OutputExistsError,
    json_text,
    read_json,
    whole_file,
)
from quaterion_core.storage.folder_locks import try_lock_folder, unlock
from quaterion_core.utils.faults import checked_content
from quaterion_core.utils.objects import positive_count

_FORMAT: Final = "quaterion-embeddings"
_RECORD_LIMIT: Final = 256 << 20
_PROGRESS: Final = "progress.json"
_PARTS: Final = ".part"


@dataclass(frozen=True)
class Shard:
    """One of several parts of a corpus: the objects at positions number, number + of, ...

    Args:
        number: Number of the part, from 0.
        of: How many parts there are.

    Raises:
        ValueError: ``number`` is not between 0 and ``of`` - 1.

    Example:
        >>> list(Shard(1, 3).select("abcdefg"))
        [(1, 'b'), (4, 'e')]
        >>> Shard.parse("1/3")
        Shard(number=1, of=3)
    """

    number: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < positive_count(self.of, "the number of shards"):
            raise ValueError(
                f"Expected the number of a shard to be between 0 and {self.of - 1}, got "
                f"{self.number}."
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard of a text such as ``"0/4"``.

        Raises:
            ValueError: The text is something else.
        """
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and int(of)):
            raise ValueError(f"Expected a shard such as 0/4, the first of four, got {text!r:.80}.")
        return cls(int(number), int(of))

    def select(self, objects: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """Yield the objects of this part with their positions."""
        return islice(enumerate(objects), self.number, None, self.of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class EncodedFile:
    """A file of embeddings that is complete.

    Attributes:
        path: The ``.npy`` or ``.parquet`` file. Beside it lies a record of what it is of,
            ``<name>.json``.
        rows: Number of embeddings.
        columns: Number of columns: dimensions, or bytes of ``binary`` embeddings.
        dtype: One of :data:`~quaterion_core.encoding.DTYPES`.
        skipped: The objects that have no row.
        resumed: Number of objects that were embedded by earlier runs.
    """

    path: Path
    rows: int
    columns: int
    dtype: str
    skipped: list[Skipped] = field(default_factory=list)
    resumed: int = 0


class _Skipped(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    position: int = Field(ge=0)
    name: str
    reason: str


class _Record(BaseModel):
    """What a file of embeddings is of, and how far it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["quaterion-embeddings"] = _FORMAT
    format_version: Literal[1] = 1
    model: str
    dtype: str
    dim: int = Field(ge=1)
    normalize: bool
    shard: str
    objects: int = Field(default=0, ge=0)
    rows: int = Field(default=0, ge=0)
    data: Annotated[str, Field(pattern="^[0-9a-f]*$")] = ""
    complete: bool = False
    skipped: list[_Skipped] = []

    def is_same_job(self, other: _Record) -> bool:
        """Whether two records are of the same model, kind of embeddings and shard."""
        own = "model", "dtype", "dim", "normalize", "shard"
        return all(getattr(self, name) == getattr(other, name) for name in own)

    def added(self, block: Block, rows: int, data: bytes) -> _Record:
        """Return the record after another block."""
        more = [
            _Skipped(position=one.position, name=one.name, reason=one.reason)
            for one in block.skipped
        ]
        return self.model_copy(
            update={
                "objects": self.objects + len(block.objects),
                "rows": self.rows + rows,
                "data": data.hex(),
                "skipped": [*self.skipped, *more],
            }
        )


@dataclass(frozen=True)
class Job:
    """Embedding of a corpus into a file.

    What was embedded is committed block by block beside the file, which appears once it is
    complete. A job that is run again after an interruption reads the objects that it has embedded
    only to check that they are the same, and continues behind them.

    Args:
        path: The ``.npy`` or ``.parquet`` file.
        embedder: Embeds the objects.
        values: What is made of embeddings.
        model: Fingerprint of the model and its calibration.
        shard: Which objects to embed.
        overwrite: Replace a file that is there, and what an interrupted job has left.
    """

    path: Path
    embedder: BlockEmbedder
    values: Values
    model: str
    shard: Shard = Shard()
    overwrite: bool = False

    def run(self, objects: Iterable[Any], ids: Iterable[Any] | None = None) -> EncodedFile:
        """Embed all objects.

        Args:
            objects: Raw objects, read once.
            ids: Their ids; by default their positions.

        Raises:
            OutputExistsError: The file is there, or a job was interrupted that has embedded other
                objects or with another model.
            ValueError: There are fewer or more ids than objects, or the file ends with neither
                ``.npy`` nor ``.parquet``.
        """
        writer = writer_for(self.path, self._parts, self.values)
        self._parts.mkdir(exist_ok=True)
        lock = try_lock_folder(self._parts)
        if lock is None and os.name != "nt":  # Windows has no locks on folders
            raise OutputExistsError(f"Another process is writing {self.path}. Wait for it to end.")
        try:
            record = self._begin()
            writer.resume(record.rows, record.objects)
            return self._continue(writer, record, _with_ids(objects, ids))
        finally:
            unlock(lock)
            if not (self._parts / _PROGRESS).exists():
                shutil.rmtree(self._parts, ignore_errors=True)

    @property
    def _parts(self) -> Path:
        return self.path.with_name(self.path.name + _PARTS)

    @property
    def _record_file(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    def _new(self) -> _Record:
        return _Record(
            model=self.model,
            dtype=self.values.dtype or "float32",
            dim=self.values.kept,
            normalize=self.values.normalize,
            shard=str(self.shard),
        )

    def _begin(self) -> _Record:
        """Return the record of an interrupted or complete job that is the same, or a new one."""
        new = self._new()
        if self.overwrite:
            (self._parts / _PROGRESS).unlink(missing_ok=True)
            return new
        if (self._parts / _PROGRESS).exists():
            record = _read(self._parts / _PROGRESS)
        elif self.path.exists():
            if not self._record_file.exists():
                raise OutputExistsError(f"{self.path} already exists. {_CHOICE}")
            record = _read(self._record_file)
        else:
            return new
        if not record.is_same_job(new):
            raise OutputExistsError(
                f"{self.path} has embeddings of another model, type or shard. {_CHOICE}"
            )
        return record

    def _continue(
        self, writer: VectorWriter, record: _Record, objects: Iterable[tuple[Any, Any]]
    ) -> EncodedFile:
        digest, known = b"", record.objects
        ids: dict[int, Any] = {}
        numbered = self.shard.select(objects)

        def digested() -> Iterator[tuple[int, Any]]:
            nonlocal digest
            for position, (given, name) in numbered:
                digest = _chained(digest, name, given)
                ids[position] = name
                yield position, given

        again = digested()
        for _ in islice(again, known):
            ids.clear()
        if digest.hex() != record.data:
            raise OutputExistsError(
                f"{self.path} has embeddings of other objects than those given: its first "
                f"{known:,} differ. {_CHOICE}"
            )
        digest_at: dict[int, bytes] = {}

        def watched() -> Iterator[tuple[int, Any]]:
            for position, given in again:
                digest_at[position] = digest
                yield position, given

        is_new = True
        for block in self.embedder(watched()):
            if is_new and record.complete:
                raise OutputExistsError(
                    f"{self.path} is complete with {known:,} objects, and more are given. {_CHOICE}"
                )
            is_new = False
            places, embeddings = block.result()
            positions = [block.positions[place] for place in places]
            if embeddings is not None:
                writer.add(
                    record.objects,
                    embeddings.cpu(),
                    positions,
                    [ids[position] for position in positions],
                    [block.objects[place] for place in places],
                )
            record = record.added(block, len(places), digest_at[block.positions[-1]])
            _write(self._parts / _PROGRESS, record)
            for position in block.positions:
                del ids[position], digest_at[position]
        if not (record.complete and self.path.exists()):
            record = record.model_copy(update={"complete": True})
            writer.finish(record.rows)
            _write(self._record_file, record)
        (self._parts / _PROGRESS).unlink(missing_ok=True)
        skipped = [Skipped(one.position, one.name, one.reason) for one in record.skipped]
        return EncodedFile(
            self.path, record.rows, self.values.columns, record.dtype, skipped, known
        )


def job_fingerprint(model: str, values: Values) -> str:
    """Return the fingerprint of a model with its calibration, where it decides the values."""
    if values.dtype != "int8" or values.calibration is None:
        return model
    return hashlib.sha256((model + values.calibration.digest()).encode()).hexdigest()


def check_output(path: Path) -> None:
    """Check that a file of embeddings can be written, before slow work.

    Raises:
        ValueError: It ends with neither ``.npy`` nor ``.parquet``.
        FileNotFoundError: Its folder does not exist.
        IsADirectoryError: It is a folder.
    """
    if path.suffix not in (".npy", ".parquet"):
        raise ValueError(f"Expected a file that ends with .npy or .parquet, got {path.name!r}.")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {path.parent}.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} cannot be written: it is a folder.")


_CHOICE: Final = (
    "Choose another file, or replace it with overwrite=True, on the command line --overwrite."
)


def _with_ids(objects: Iterable[Any], ids: Iterable[Any] | None) -> Iterator[tuple[Any, Any]]:
    if ids is None:
        return zip(objects, repeat(None))
    return _paired(objects, ids)


def _paired(objects: Iterable[Any], ids: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    try:
        yield from zip(objects, ids, strict=True)
    except ValueError as error:
        if "zip()" not in str(error):
            raise
        raise ValueError("Expected as many ids as objects, got fewer or more.") from None


def _chained(digest: bytes, name: Any, given: Any) -> bytes:
    """Return the digest of objects and ids up to one of them, from that of those before."""
    try:
        content = object_digest(given)
    except OSError:  # a file that cannot be read is known by its name
        content = name_of(given).encode()
    return hashlib.blake2b(digest + repr(name).encode() + content, digest_size=16).digest()


def _read(path: Path) -> _Record:
    content = read_json(path, limit=_RECORD_LIMIT)
    return checked_content(_Record, content, f"{path} is no record of embeddings", _CHOICE)


def _write(path: Path, record: _Record) -> None:
    with whole_file(path) as stream:
        stream.write(json_text(record.model_dump()).encode())
