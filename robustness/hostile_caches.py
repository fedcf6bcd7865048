"""Hostile caches: what a training run makes of changed tables of embeddings."""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch

from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.heads import EmptyHead
from quaterion_core.model import SimilarityModel
from quaterion_core.storage import StorageError
from quaterion_core.train.cache import CacheConfig, CacheType
from quaterion_core.train.cache.training_cache import TrainingCache
from robustness.file_changes import Change, FileChanges
from robustness.hostile_input import PACKAGES, Tried, refused
from robustness.sandbox import Case, Outcome, Watch, run_cases
from robustness.subjects import Letters

_TEXTS: Final = [f"{a} {b}" for a in ("cab", "bed", "ace", "dad") for b in ("abba", "face", "bead")]
_TABLE: Final = "embeddings.bin"
_RECORD: Final = "progress.json"
_FILES: Final = (_TABLE, _RECORD, "progress.new")
_ANY: Final = FileChanges(
    (_TABLE, _RECORD), _FILES, lambda folder: folder.parent.parent / "outside"
)


def try_caches(
    count: int,
    *,
    first_seed: int = 0,
    jobs: int = 1,
    report: Callable[[int, int], None] = lambda *_: None,
) -> list[Tried]:
    """Change the cache of a training run, and use it again.

    The embeddings have to be those of the encoder, whatever was changed, or there is an error.

    Args:
        count: The number of cases.
        first_seed: Seed of the changes.
        jobs: Number of processes.
        report: Called with the number of cases that are done, and of all.
    """
    rng = random.Random(first_seed)
    with tempfile.TemporaryDirectory(prefix="robustness-") as root:
        encoder = _encoder()
        filled = Path(root, "cache")
        expected = _embeddings(encoder, filled)
        drawn = [
            (rng.sample(sorted(_CHANGES), rng.choice((1, 1, 2))), rng.randrange(1 << 30))
            for _ in range(count)
        ]
        cases = [_case(encoder, filled, expected, names, number) for names, number in drawn]
        outcomes = run_cases(cases, PACKAGES, jobs=jobs, report=report)
    return [
        Tried("cache", ", ".join(names), outcome)
        for (names, _), outcome in zip(drawn, outcomes, strict=True)
    ]


class _FrozenLetters(Letters):
    trainable = False


def _encoder() -> Letters:
    torch.manual_seed(0)
    return _FrozenLetters("abcdef", 4)


def _embeddings(encoder: Letters, folder: Path) -> torch.Tensor:
    """Return the embeddings that a training run gets through a cache in a folder."""
    samples = [SimilarityGroupSample(text, number % 3) for number, text in enumerate(_TEXTS)]
    cache = TrainingCache(
        SimilarityModel(encoder, EmptyHead(4)),
        CacheConfig(cache_type=CacheType.DISK, save_dir=str(folder), batch_size=3),
        GroupSimilarityDataLoader(samples, batch_size=len(samples)),
        device=torch.device("cpu"),
    )
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of batches that are damaged
        loaders, _ = cache.fill()
    features, _ = next(iter(loaders.train))
    embeddings: torch.Tensor = features["data"]["default"].embeddings.clone()
    return embeddings


def _case(
    encoder: Letters, filled: Path, expected: torch.Tensor, names: list[str], number: int
) -> Case:
    def case(place: Path, watch: Watch) -> Outcome:
        folder = place / "cache"
        shutil.copytree(filled, folder)
        outside = place / "outside"
        outside.write_bytes(b"outside")
        (table,) = folder.iterdir()
        for name in names:
            _CHANGES[name](table, random.Random(number))
        with watch.allowing(folder, place / "tmp"):
            try:
                found = _embeddings(encoder, folder)
            except StorageError as error:
                outcome = refused(error)
            else:
                same = torch.equal(found, expected)
                outcome = Outcome("same result" if same else "other result")
        if outside.read_bytes() != b"outside":
            return Outcome("outside written", "through a link")
        return outcome

    return case


def _flip(folder: Path, rng: random.Random) -> None:
    file = _ANY.one_of(folder, rng)
    data = bytearray(file.read_bytes())
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        file.write_bytes(data)


def _fill_with_random_bytes(folder: Path, rng: random.Random) -> None:
    file = _ANY.one_of(folder, rng)
    file.write_bytes(rng.randbytes(file.stat().st_size))


def _record(make: Callable[[list[str], random.Random], object]) -> Change:
    """Return a change of the record of what is filled."""

    def change(folder: Path, rng: random.Random) -> None:
        file = folder / _RECORD
        if file.is_file() and not file.is_symlink():
            try:
                checksums = json.loads(file.read_text())["checksums"].split()
            except (ValueError, KeyError, TypeError, AttributeError):
                return  # another change has destroyed it
            file.write_text(json.dumps(make(checksums, rng)))

    return change


def _foreign(folder: Path, rng: random.Random) -> None:
    name = rng.choice(["lock", "evil.py", "evil.pkl", "progress.json.bak", "x" * 200, "\x1b[31m"])
    (folder / name).write_bytes(b"cos\nsystem\n(S'true'\ntR.")


_CHANGES: Final[dict[str, Change]] = {
    **_ANY.by_name(),
    "flip a bit": _flip,
    "random bytes": _fill_with_random_bytes,
    "a foreign file": _foreign,
    "fewer checksums": _record(lambda c, rng: {"checksums": " ".join(c[: rng.randrange(len(c))])}),
    "more checksums": _record(lambda c, _: {"batches": len(c), "checksums": " ".join(c * 50)}),
    "swapped checksums": _record(lambda c, _: {"checksums": " ".join(reversed(c))}),
    "checksums that are no numbers": _record(lambda c, _: {"checksums": "evil " * len(c)}),
    "a huge checksum": _record(lambda c, _: {"checksums": "f" * 10**6}),
    "a negative checksum": _record(lambda c, _: {"checksums": " ".join(f"-{x}" for x in c)}),
    "checksums in a list": _record(lambda c, _: {"checksums": c}),
    "a record that is a list": _record(lambda c, _: c),
    "a record that is nested deeply": _record(lambda *_: {"checksums": {"a": [[[[]]]] * 1000}}),
}
