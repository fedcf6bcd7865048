"""Writers that are killed, disks that are full, and writers and readers at once."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import torch

from quaterion_core.distances import Distance
from quaterion_core.heads import LinearProjectionHead
from quaterion_core.model import SimilarityModel
from quaterion_core.serving.stores import ExactStore
from quaterion_core.storage import InvalidFolderError, StorageError, atomic_folder
from quaterion_core.train.cache import filling
from quaterion_core.train.cache.embedding_table import EmbeddingTable
from quaterion_core.train.cache.table_folder import locked_folder
from quaterion_core.train.checkpoint_io import WholeCheckpointIO
from robustness.subjects import Letters, load

_WRITING_CALLS: Final = ("fsync", "posix_fallocate", "ftruncate", "write")
"""Functions of ``os`` that write and have no audit event."""

_SECONDS_BETWEEN_WRITES: Final = 30.0

_WRITING_EVENTS: Final = {"os.mkdir", "os.rename", "os.chmod", "os.remove", "os.rmdir"}


@dataclass(frozen=True)
class CrashSubject:
    """Something that is written and read back.

    Args:
        name: What it is.
        write: Writes a version, a number, to a path; may replace what is there.
        read: Reads the version that is at a path; raises if it is not whole.
        leftovers: Lists what killed writers left beside a path.
        is_folder: Whether it is exchanged with what is there, as a folder.
        replaces: Whether writing replaces what is there; a cache completes it.
    """

    name: str
    write: Callable[[Path, int], None]
    read: Callable[[Path], int]
    leftovers: Callable[[Path], list[Path]]
    is_folder: bool = False
    replaces: bool = True


def _write_model(path: Path, version: int) -> None:
    model = SimilarityModel(Letters("ab", 2), LinearProjectionHead(2, 2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(float(version))
    model.save(path, overwrite=True)


def _read_model(path: Path) -> int:
    model = load(path)
    versions = {value for p in model.parameters() for value in p.detach().flatten().tolist()}
    if len(versions) != 1:
        raise AssertionError(f"parts of several versions: {sorted(versions)}")
    return int(versions.pop())


def _write_checkpoint(path: Path, version: int) -> None:
    state = {"state_dict": {f"layer{n}": torch.full((500,), float(version)) for n in range(8)}}
    WholeCheckpointIO().save_checkpoint(state, path)


def _read_checkpoint(path: Path) -> int:
    state = torch.load(path, weights_only=True)["state_dict"]
    (version,) = {float(value) for tensor in state.values() for value in tensor}
    return int(version)


class _Numbers(Letters):
    """Numbers, and an encoder of them, whose embeddings can be computed by hand."""

    def __init__(self) -> None:
        super().__init__("a", 1)

    @property
    def embedding_size(self) -> int:
        return _CACHE_SIZE

    def get_collate_fn(self) -> Callable[[list[Any]], torch.Tensor]:
        return lambda numbers: torch.tensor(numbers, dtype=torch.float32)

    def __len__(self) -> int:
        return _CACHE_ROWS

    def object(self, number: int) -> int:
        return number

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch[:, None] + torch.arange(float(_CACHE_SIZE))


_CACHE_SIZE: Final = 64
_CACHE_ROWS: Final = 96
_CACHE_BATCHES: Final = np.split(np.arange(_CACHE_ROWS), 24)


def _write_cache(path: Path, _: int) -> None:
    with locked_folder(path):
        table = EmbeddingTable(
            _CACHE_ROWS, _CACHE_SIZE, torch.float32, file=path / "embeddings.bin"
        )
        sources: list[Any] = [_Numbers()]
        commit_always = patch.object(filling, "SECONDS_BETWEEN_COMMITS", 0.0)
        with commit_always, contextlib.redirect_stderr(io.StringIO()):
            filling.fill_table(
                table,
                _Numbers(),
                sources,
                _CACHE_BATCHES,
                np.arange(_CACHE_ROWS),
                name="numbers",
                collate=_Numbers().get_collate_fn(),
                progress=filling.FillProgress(path / "progress.json"),
            )


def _read_cache(path: Path) -> int:
    """Check all batches that are said to be filled."""
    checksums = filling.FillProgress(path / "progress.json").read(len(_CACHE_BATCHES))
    if not checksums:
        return 1
    stored = np.fromfile(path / "embeddings.bin", dtype=np.float32).reshape(-1, _CACHE_SIZE)
    for rows, checksum in zip(_CACHE_BATCHES, checksums, strict=False):
        expected = _Numbers()(torch.from_numpy(rows).float()).numpy()
        if zlib.crc32(stored[rows].tobytes()) != checksum or not (stored[rows] == expected).all():
            raise AssertionError("a batch that is said to be filled is not")
    return 1


_INDEX_IDS: Final = [str(number) for number in range(20)]


def _write_index(path: Path, version: int) -> None:
    store = ExactStore(str(path))
    try:
        store.open(read_only=False)
    except InvalidFolderError:
        store.create(4, Distance.EUCLIDEAN, {})
    with store:
        vectors = np.full((len(_INDEX_IDS), 4), version, dtype=np.float32)
        store.upsert(_INDEX_IDS, vectors, [{"version": version}] * len(_INDEX_IDS))


def _read_index(path: Path) -> int:
    with ExactStore(str(path)) as store:
        store.open()
        hits = store.search(np.zeros((1, 4), dtype=np.float32), len(_INDEX_IDS) + 1)[0]
        if {hit.id for hit in hits} != set(_INDEX_IDS):
            raise AssertionError(f"expected {len(_INDEX_IDS)} objects, got {len(hits)}")
        versions = {hit.payload["version"] for hit in hits}
        scores = {round(1 / hit.score - 1) // 2 for hit in hits}
        if len(versions) != 1 or scores != versions:
            raise AssertionError(f"objects of several versions: {sorted(versions)}")
        store.verify()
        return int(versions.pop())


def _beside(path: Path) -> list[Path]:
    return [other for other in path.parent.iterdir() if other != path]


CRASH_SUBJECTS: Final = (
    CrashSubject("model folder", _write_model, _read_model, _beside, is_folder=True),
    CrashSubject("checkpoint", _write_checkpoint, _read_checkpoint, _beside),
    CrashSubject("index", _write_index, _read_index, _beside),
    CrashSubject("cache", _write_cache, _read_cache, _beside, replaces=False),
)
"""What is written while processes are killed."""


@dataclass
class Trial:
    """A crash and what became of it.

    Args:
        subject: What was written.
        what: What happened.
        fault: What was lost or wrong, or nothing.
    """

    subject: str
    what: str
    fault: str = ""


def try_crashes(
    subject: CrashSubject,
    count: int,
    *,
    first_seed: int = 0,
    report: Callable[[int, int], None] = lambda *_: None,
) -> list[Trial]:
    """Try every kind of crash.

    Args:
        subject: What is written.
        count: How often each kind is tried.
        first_seed: Seed of random moments.
        report: Called with the number of kinds that are done, and of all.
    """
    rng = random.Random(first_seed)
    kinds: list[Callable[[], list[Trial]]] = [
        *(
            partial(kill_at_each_call, subject, count, exchange=exchange)
            for exchange in ((True, False) if subject.is_folder else (True,))
        ),
        partial(kill_at_random, subject, count, rng),
        partial(full_disk, subject, count),
        partial(read_only, subject, count),
        partial(two_writers_and_a_reader, subject, count),
    ]
    trials: list[Trial] = []
    for number, kind in enumerate(kinds):
        report(number, len(kinds))
        trials += kind()
    return trials


def kill_at_each_call(subject: CrashSubject, count: int, *, exchange: bool) -> list[Trial]:
    """Kill a writer at its first writing system call, at its second one, and so on.

    Once each call has had its turn, a second writer is killed too, which finds what the first one
    left.

    Args:
        subject: What is written.
        count: How often; fewer kills than there are calls are spread over all of them.
        exchange: Whether the system can exchange folders.
    """
    how = "exchange" if exchange else "two renames"
    with tempfile.TemporaryDirectory() as root:
        calls = _child(lambda: _count_calls(subject, Path(root, "count"), exchange))
    step = max(1, calls // count)
    trials = []
    for number in range(max(count, len(range(0, calls, step)))):
        kills = [1 + number * step % calls]
        what = f"killed at a writing call, {how}"
        if number * step >= calls:
            kills.append(1 + number * 7 % calls)
            what = f"killed, and the next one too, {how}"
        with tempfile.TemporaryDirectory() as root:
            path = Path(root, "saved")
            if subject.replaces:
                subject.write(path, 1)
            for call in kills:
                _child(lambda path=path, call=call: _killed_write(subject, path, call, exchange))
            trials.append(_checked(subject, path, what, (1, 2)))
    return trials


def kill_at_random(subject: CrashSubject, count: int, rng: random.Random) -> list[Trial]:
    """Kill a writer that writes again and again, at random moments."""
    trials = []
    with tempfile.TemporaryDirectory() as root:
        path = Path(root, "saved")
        if subject.replaces:
            subject.write(path, 1)
        for number in range(count):
            if not subject.replaces:
                path = Path(root, str(number), "saved")
                path.parent.mkdir()
            child = os.fork()
            if child == 0:
                try:
                    for version in range(2, 1000):
                        subject.write(path, version)
                finally:
                    os._exit(0)
            time.sleep(rng.uniform(0, 0.05))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            trials.append(_checked(subject, path, "killed at a random moment", range(1, 1001)))
    return trials


def full_disk(subject: CrashSubject, count: int) -> list[Trial]:
    """Write to disks on which there is room for one version and a part of another one."""
    trials = []
    for number in range(count):
        with _small_disk(24 + 4 * (number % 20)) as root:
            if root is None:
                return [Trial(subject.name, "full disk: skipped, no file system can be mounted")]
            path = root / "saved"
            try:
                subject.write(path, 1)
                (root / "filler").write_bytes(b"x" * (1 << 20))
            except OSError:
                pass
            existed = path.exists()
            trial = Trial(subject.name, "full disk")
            try:
                subject.write(path, 2)
            except (StorageError, OSError):
                pass
            except BaseException as error:
                trial.fault = f"{type(error).__name__}: {error}"
            if existed and subject.read(path) not in (1, 2):
                trial.fault = "is another version"
            left = [other.name for other in subject.leftovers(path) if other.name != "filler"]
            if left:
                trial.fault = f"left {left[0]}"
            trials.append(trial)
    return trials


def read_only(subject: CrashSubject, count: int) -> list[Trial]:
    """Replace what is on a file system that is read-only, and read it."""
    with _small_disk(4096) as root:
        if root is None:
            return [Trial(subject.name, "read-only: skipped, no file system can be mounted")]
        path = root / "saved"
        subject.write(path, 1)
        subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
        trials = []
        for _ in range(count):
            trial = Trial(subject.name, "read-only")
            try:
                subject.write(path, 2)
                if subject.replaces:
                    trial.fault = "was written"
            except (StorageError, OSError):
                pass
            except BaseException as error:
                trial.fault = f"{type(error).__name__}: {error}"
            if subject.read(path) != 1:
                trial.fault = "is another version"
            trials.append(trial)
    return trials


def two_writers_and_a_reader(subject: CrashSubject, count: int) -> list[Trial]:
    """Read while two processes replace what is read; each time until it was replaced once more."""
    trials = []
    with tempfile.TemporaryDirectory() as root:
        path = Path(root, "saved")
        subject.write(path, 1)
        writers = []
        for version in (1, 2):
            child = os.fork()
            if child == 0:
                try:
                    while True:
                        subject.write(path, version)
                finally:
                    os._exit(1)
            writers.append(child)
        try:
            for _ in range(count):
                trial = Trial(subject.name, "read while two write")
                before, end = _identity(path), time.monotonic() + _SECONDS_BETWEEN_WRITES
                try:
                    while not trial.fault:
                        if subject.read(path) not in (1, 2):
                            trial.fault = "is another version"
                        if not subject.replaces or _identity(path) != before:
                            break
                        if time.monotonic() > end:
                            trial.fault = "was not replaced"
                except BaseException as error:
                    trial.fault = f"{type(error).__name__}: {error}"
                trials.append(trial)
        finally:
            for writer in writers:
                ended, _ = os.waitpid(writer, os.WNOHANG)
                if ended:
                    trials.append(Trial(subject.name, "read while two write", "a writer failed"))
                else:
                    os.kill(writer, signal.SIGKILL)
                    os.waitpid(writer, 0)
        trials.append(_checked(subject, path, "read while two write", (1, 2)))
    return trials


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_ctime_ns


def _checked(subject: CrashSubject, path: Path, what: str, versions: Any) -> Trial:
    """Check that what is there is whole, can be replaced, and that nothing is left beside it."""
    trial = Trial(subject.name, what)
    try:
        if subject.read(path) not in versions:
            trial.fault = "is another version"
        subject.write(path, 1)
        left = subject.leftovers(path)
        if left:
            trial.fault = f"left {left[0].name}"
    except BaseException as error:
        trial.fault = f"{type(error).__name__}: {error}"
    return trial


def _child(work: Callable[[], int]) -> int:
    """Do some work in a child; return what it returns, at most 60,000, or 0 if it was killed."""
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(sender, str(work()).encode())
        finally:
            os._exit(0)
    os.close(sender)
    text = os.read(receiver, 100)
    os.close(receiver)
    os.waitpid(child, 0)
    return int(text or 0)


def _count_calls(subject: CrashSubject, path: Path, exchange: bool) -> int:
    if subject.replaces:
        subject.write(path, 1)
    calls = [0]

    def count() -> None:
        calls[0] += 1

    with _watched(count, exchange):
        subject.write(path, 2)
    return calls[0]


def _killed_write(subject: CrashSubject, path: Path, number: int, exchange: bool) -> int:
    calls = [0]

    def kill() -> None:
        calls[0] += 1
        if calls[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    with _watched(kill, exchange):
        subject.write(path, 2)
    return 0


@contextlib.contextmanager
def _watched(before: Callable[[], None], exchange: bool) -> Iterator[None]:
    """Call a function before each operation that writes; in a process that ends afterwards."""
    originals = {name: getattr(os, name) for name in _WRITING_CALLS}
    exchange_paths = atomic_folder.exchange_paths
    is_active = True

    def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            before()
            return original(*arguments, **options)

        return call

    def on_event(event: str, arguments: tuple[Any, ...]) -> None:
        is_writing = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if is_active and (is_writing or event in _WRITING_EVENTS):
            before()

    sys.addaudithook(on_event)
    try:
        for name, original in originals.items():
            setattr(os, name, wrapped(original))
        atomic_folder.exchange_paths = wrapped(  # type: ignore[assignment]
            exchange_paths if exchange else lambda *_: False
        )
        yield
    finally:
        is_active = False
        atomic_folder.exchange_paths = exchange_paths
        for name, original in originals.items():
            setattr(os, name, original)


@contextlib.contextmanager
def _small_disk(kilobytes: int) -> Iterator[Path | None]:
    """Mount a file system of some kilobytes, where this user may."""
    folder = Path(tempfile.mkdtemp())
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    is_mounted = (
        sys.platform.startswith("linux")
        and shutil.which("mount") is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )
    try:
        yield folder if is_mounted else None
    finally:
        if is_mounted:
            subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()
