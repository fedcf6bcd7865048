"""Hostile indexes: what a search makes of changed folders."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from quaterion_core.heads import EmptyHead
from quaterion_core.model import SimilarityModel
from quaterion_core.plugins import PluginError, register_encoder
from quaterion_core.serving import Index
from quaterion_core.serving.stores import InRange
from quaterion_core.storage import StorageError
from robustness.file_changes import Change, FileChanges
from robustness.hostile_input import PACKAGES, Tried, refused
from robustness.sandbox import Case, Outcome, Watch, run_cases
from robustness.subjects import Letters

_TEXTS: Final = [f"{a} {b}" for a in ("cab", "bed", "ace", "dad") for b in ("abba", "face", "bead")]
_DATABASE: Final = "store/objects.sqlite"
_VECTORS: Final = "store/vectors-0.float32"
_DESCRIPTION: Final = "index.json"
_FILES: Final = (_DATABASE, _VECTORS, _DESCRIPTION)
_ANY: Final = FileChanges(_FILES, _FILES, lambda folder: folder.parent / "outside")

register_encoder("hostile-index-letters")(Letters)


def try_indexes(
    count: int,
    *,
    first_seed: int = 0,
    jobs: int = 1,
    report: Callable[[int, int], None] = lambda *_: None,
) -> list[Tried]:
    """Change the folder of an index, open it, and search.

    The result is what the folder says, or there is an error of ours.

    Args:
        count: The number of cases.
        first_seed: Seed of the changes.
        jobs: Number of processes.
        report: Called with the number of cases that are done, and of all.
    """
    rng = random.Random(first_seed)
    with tempfile.TemporaryDirectory(prefix="robustness-") as root:
        torch.manual_seed(0)
        model = SimilarityModel(Letters("abcdef", 4), EmptyHead(4))
        built = Path(root, "index")
        with Index.create(built, model) as index:
            index.add(_TEXTS, payloads=[{"n": n} for n in range(len(_TEXTS))])
        expected = _found(built, model)
        drawn = [
            (rng.sample(sorted(_CHANGES), rng.choice((1, 1, 2))), rng.randrange(1 << 30))
            for _ in range(count)
        ]
        cases = [_case(model, built, expected, names, number) for names, number in drawn]
        outcomes = run_cases(cases, PACKAGES, jobs=jobs, report=report)
    return [
        Tried("index", ", ".join(names), outcome)
        for (names, _), outcome in zip(drawn, outcomes, strict=True)
    ]


def _found(folder: Path, model: SimilarityModel) -> list[Any]:
    with Index.open(folder, model) as index:
        hits = index.search("a bad cab", top=20) + index.search(
            "face", top=5, where=InRange("n", at_least=3)
        )
        return [(hit.id, round(hit.score, 5), hit.object, hit.payload) for hit in hits]


def _case(
    model: SimilarityModel, built: Path, expected: list[Any], names: list[str], number: int
) -> Case:
    def case(place: Path, watch: Watch) -> Outcome:
        folder = place / "index"
        shutil.copytree(built, folder)
        outside = place / "outside"
        outside.write_bytes(b"outside")
        for name in names:
            _CHANGES[name](folder, random.Random(number))
        with watch.allowing(folder, place / "tmp"):
            try:
                found = _found(folder, model)
            except (StorageError, PluginError) as error:
                outcome = refused(error)
            else:
                outcome = Outcome("same result" if found == expected else "as the file says")
        if outside.read_bytes() != b"outside":
            return Outcome("outside written", "through a link")
        return outcome

    return case


def _flip(folder: Path, rng: random.Random) -> None:
    file = _ANY.one_of(folder, rng)
    data = bytearray(file.read_bytes())
    for _ in range(rng.choice((1, 1, 5, 50))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(data)


def _sql(*statements: str) -> Change:
    """Return a change of the database, if it is one still."""

    def change(folder: Path, rng: random.Random) -> None:
        file = folder / _DATABASE
        if not file.is_file() or file.is_symlink():
            return
        connection = sqlite3.connect(file)
        try:
            connection.execute(rng.choice(statements))
            connection.commit()
        except sqlite3.Error:
            pass  # another change has damaged it
        finally:
            connection.close()

    return change


def _described(change_of: Callable[[dict[str, Any]], object]) -> Change:
    """Return a change of the description of the index."""

    def change(folder: Path, _: random.Random) -> None:
        file = folder / _DESCRIPTION
        if file.is_file() and not file.is_symlink():
            try:
                content = json.loads(file.read_text())
            except ValueError:
                return
            change_of(content)
            file.write_text(json.dumps(content))

    return change


def _foreign(folder: Path, rng: random.Random) -> None:
    name = rng.choice(
        ["objects.sqlite-journal", "objects.sqlite-wal", "evil.py", "vectors-0.pkl", "\x1b[31m"]
    )
    (folder / "store" / name).write_bytes(rng.randbytes(rng.choice((0, 100, 40_000))))


_CHANGES: Final[dict[str, Change]] = {
    **_ANY.by_name(),
    "flip bits": _flip,
    "a foreign file": _foreign,
    "a further table, view or trigger": _sql(
        "CREATE TABLE more (x)",
        "CREATE VIEW more AS SELECT load_extension('/tmp/evil.so')",
        "CREATE TRIGGER t AFTER UPDATE ON objects BEGIN SELECT writefile('/tmp/x', 'x'); END",
        "CREATE VIRTUAL TABLE more USING fts5(x)",
    ),
    "numbers that cannot be": _sql(
        "UPDATE state SET rows = 1 << 40", "UPDATE state SET rows = -1",
        "UPDATE state SET objects = 1 << 40", "UPDATE state SET generation = 'x'",
        "UPDATE state SET rows = 1e300", "UPDATE state SET rows = 3",
        "DELETE FROM state", "INSERT INTO state SELECT * FROM state",
        "UPDATE objects SET row = row + 100000", "UPDATE objects SET row = -row - 1",
    ),
    "settings that cannot be": _sql(
        "UPDATE state SET settings = '{}'", "UPDATE state SET settings = x'00ff'",
        "UPDATE state SET settings = replace(settings, 'cosine', 'evil')",
        "UPDATE state SET settings = replace(settings, 'float32', '../../outside')",
        "UPDATE state SET settings = replace(settings, ':4,', ':60000,')",
        "UPDATE state SET settings = '" + '{"a":' * 50_000 + "'",
    ),
    "payloads that cannot be": _sql(
        "UPDATE objects SET payload = '{'", "UPDATE objects SET payload = '[]'",
        "UPDATE objects SET payload = zeroblob(100000)",
        "UPDATE objects SET payload = '" + "[" * 50_000 + "'",
        "UPDATE objects SET payload = '{\"_object\": 5, \"_kind\": \"path\", \"n\": {}}'",
        "UPDATE objects SET payload = '{\"n\": 1e999}'",
        "UPDATE objects SET id = x'ff'", "UPDATE objects SET id = id || char(27) || char(0)",
    ),
    "objects are gone": _sql("DELETE FROM objects", "DELETE FROM objects WHERE row > 4"),
    "another store": _described(lambda content: content.update(component="quaterion-core/triplet")),
    "a store that is no id": _described(lambda content: content.update(component="os:system")),
    "a missing store": _described(lambda content: content.update(component="evil-package/store")),
    "a location": _described(lambda content: content["config"].update(location="/etc")),
    "an unknown argument": _described(lambda content: content["config"].update(evil=1)),
    "a further key": _described(lambda content: content.update(evil=1)),
}  # fmt: skip
