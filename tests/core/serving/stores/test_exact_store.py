"""The exact store keeps what was written, whatever happens, and opens nothing else."""

import copy
import os
import pickle
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from quaterion_core.distances import Distance
from quaterion_core.serving.stores import Equals, ExactStore, scan
from quaterion_core.serving.stores import folder_store as module
from quaterion_core.serving.stores.object_table import ObjectTable
from quaterion_core.storage import InvalidFolderError, NotWritableError


def vectors(count, size=4, seed=0):
    return np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)


def names(count, start=0):
    return [f"n{number}" for number in range(start, start + count)]


@pytest.fixture
def folder(tmp_path):
    """A store of 50 objects that is closed."""
    store = ExactStore(str(tmp_path / "store"))
    store.create(4, Distance.COSINE, {"owner": "test"})
    store.upsert(names(50), vectors(50), [{"n": n, "odd": n % 2 == 1} for n in range(50)])
    store.close()
    return tmp_path / "store"


@pytest.fixture
def opened(folder):
    with ExactStore(str(folder)) as store:
        store.open(read_only=False)
        yield store


@pytest.mark.parametrize("distance", list(Distance))
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_results_are_those_of_the_distance(tmp_path, distance, dtype):
    store = ExactStore(str(tmp_path / "store"), dtype=dtype)
    store.create(8, distance, {})
    base, queries = vectors(300, 8), vectors(5, 8, seed=1)
    store.upsert(names(300), base, [{}] * 300)
    metric = Distance.get_by_name(distance)
    expected = metric.similarity_matrix(torch.from_numpy(queries), torch.from_numpy(base))
    tolerance = 1e-5 if dtype == "float32" else 0.1
    for row, hits in zip(expected, store.search(queries, 300), strict=True):
        assert {hit.id for hit in hits} == set(names(300))
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)
        of_hits = [float(row[int(hit.id[1:])]) for hit in hits]
        assert scores == pytest.approx(of_hits, abs=tolerance)


def test_several_blocks_are_searched(folder, opened, monkeypatch):
    expected = opened.search(vectors(3, seed=2), 10)
    monkeypatch.setattr(scan, "CORPUS_BLOCK", 7)
    for hits, others in zip(opened.search(vectors(3, seed=2), 10), expected, strict=True):
        assert [hit.id for hit in hits] == [hit.id for hit in others]
    odd = opened.search(vectors(1, seed=2), 50, where=Equals("odd", (True,)))[0]
    assert len(odd) == 25


def test_space_of_replaced_vectors_is_reclaimed(folder, opened, monkeypatch):
    monkeypatch.setattr(module, "_DEAD", 10)
    reader = ExactStore(str(folder))
    reader.open()
    for seed in range(1, 5):
        opened.upsert(names(30), vectors(30, seed=seed), [{"seed": seed}] * 30)
        assert reader.search(vectors(30, seed=seed)[3:4], 1)[0][0].id == "n3"
    opened.delete(names(15))
    assert len(opened) == 35
    file = next(folder.glob("vectors-*"))
    assert [file] == list(folder.glob("vectors-*"))
    assert file.stat().st_size < 100 * 16
    opened.verify()
    found = opened.search(vectors(50, seed=4)[20:21], 1)[0][0]
    assert (found.id, found.payload) == ("n20", {"seed": 4})
    assert opened.search(vectors(50)[40:41], 1)[0][0].id == "n40"
    assert len(reader) == 35
    reader.close()


def test_reader_that_was_opened_while_nobody_wrote_finds_new_files(folder, monkeypatch):
    monkeypatch.setattr(module, "_DEAD", 10)
    connect = ObjectTable._connect
    refused = []

    def refuse_once(table, uri):
        if not refused and "mode=ro" in uri:
            refused.append(uri)
            raise sqlite3.OperationalError("unable to open database file")
        connect(table, uri)

    with ExactStore(str(folder)) as reader, ExactStore(str(folder)) as writer:
        monkeypatch.setattr(ObjectTable, "_connect", refuse_once)
        reader.open()  # the database as a file that nobody changes
        assert refused
        writer.open(read_only=False)
        writer.upsert(names(30), vectors(30, seed=1), [{}] * 30)
        writer.upsert(names(30), vectors(30, seed=2), [{}] * 30)
        assert reader.search(vectors(30, seed=2)[3:4], 1)[0][0].id == "n3"


def test_files_that_another_process_removes_meanwhile_are_no_fault(folder, monkeypatch):
    scan = os.scandir

    class Gone:
        name = path = "objects.sqlite-shm"

        def stat(self, follow_symlinks=True):
            raise FileNotFoundError(2, "No such file or directory", self.name)

    @contextmanager
    def with_one_more(path):
        with scan(path) as entries:
            yield [*entries, Gone()]

    monkeypatch.setattr(os, "scandir", with_one_more)
    with ExactStore(str(folder)) as reader:
        reader.open()
        assert len(reader) == 50


def test_readers_see_what_others_have_written(folder):
    with ExactStore(str(folder)) as reader, ExactStore(str(folder)) as writer:
        reader.open()
        writer.open(read_only=False)
        assert len(reader) == 50
        writer.upsert(["new"], vectors(1, seed=9), [{}])
        assert reader.search(vectors(1, seed=9), 1)[0][0].id == "new"


def test_two_writers_take_turns(folder):
    def write(start):
        with ExactStore(str(folder)) as store:
            store.open(read_only=False)
            for number in range(20):
                at = start + number * 5
                store.upsert(names(5, at), vectors(5, seed=at), [{}] * 5)

    threads = [threading.Thread(target=write, args=(start,)) for start in (1000, 2000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ExactStore(str(folder)) as store:
        store.open()
        assert len(store) == 250
        store.verify()
        assert store.search(vectors(5, seed=2050)[2:3], 1)[0][0].id == "n2052"


def test_threads_share_a_store(opened):
    failures = []

    def use(number):
        try:
            for turn in range(20):
                assert len(opened.search(vectors(1, seed=turn), 5)[0]) == 5
                opened.upsert([f"t{number}"], vectors(1, seed=number), [{"turn": turn}])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(opened) == 54


KILLED = """
import os, signal, sys
import numpy as np
from quaterion_core.serving.stores import ExactStore
from quaterion_core.serving.stores.object_table import ObjectTable

store = ExactStore(sys.argv[1])
store.open(read_only=False)
ObjectTable.add = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
store.upsert(["n0", "x"], np.ones((2, 4), dtype=np.float32), [{}, {}])
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_killed_writer_leaves_the_last_state(folder):
    result = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert result.returncode == -signal.SIGKILL
    with ExactStore(str(folder)) as store:
        store.open(read_only=False)
        assert len(store) == 50
        store.verify()
        store.upsert(["y"], vectors(1, seed=5), [{}])
        store.verify()
        assert store.search(vectors(1, seed=5), 1)[0][0].id == "y"


def test_a_store_is_copied_and_sent_to_processes_closed(folder):
    store = ExactStore(str(folder), dtype="int8")
    for other in (copy.deepcopy(store), pickle.loads(pickle.dumps(store))):
        assert (other.location, other.get_config_dict()) == (str(folder), {"dtype": "int8"})
        with pytest.raises(RuntimeError, match="Call open"):
            len(other)


def test_a_folder_that_may_not_be_written_is_read(folder):
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with ExactStore(str(folder)) as store:
            store.open()
            assert len(store.search(vectors(1), 3)[0]) == 3
    finally:
        folder.chmod(0o755)


def test_damage_is_found(folder):
    file = next(folder.glob("vectors-*"))
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    with ExactStore(str(folder)) as store:
        store.open()
        with pytest.raises(InvalidFolderError, match="rows 0 to 49 differ from their checksum"):
            store.verify()


def execute(folder, *statements):
    connection = sqlite3.connect(folder / "objects.sqlite")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


HOSTILE = {
    "no database": lambda f: (f / "objects.sqlite").write_bytes(b"no database" * 1000),
    "empty database": lambda f: (f / "objects.sqlite").write_bytes(b""),
    "a further table": lambda f: execute(f, "CREATE TABLE more (x)"),
    "a trigger": lambda f: execute(
        f, "CREATE TRIGGER t AFTER INSERT ON objects BEGIN DELETE FROM state; END"
    ),
    "a view": lambda f: execute(f, "DROP TABLE chunks", "CREATE VIEW chunks AS SELECT 1"),
    "no state": lambda f: execute(f, "DELETE FROM state"),
    "no settings": lambda f: execute(f, "UPDATE state SET settings = '{}'"),
    "a huge size": lambda f: execute(
        f, "UPDATE state SET settings = replace(settings, '\"embedding_size\":4', "
        "'\"embedding_size\":99999999')",
    ),
    "more rows than bytes": lambda f: execute(f, "UPDATE state SET rows = 1000000000000"),
    "a text as a number": lambda f: execute(f, "UPDATE state SET rows = 'many'"),
    "negative": lambda f: execute(f, "UPDATE state SET objects = -1"),
    "another generation": lambda f: execute(f, "UPDATE state SET generation = 3"),
    "a payload that is no JSON": lambda f: execute(f, "UPDATE objects SET payload = '{'"),
    "a payload that is a list": lambda f: execute(f, "UPDATE objects SET payload = '[]'"),
    "a deep payload": lambda f: execute(f, f"UPDATE objects SET payload = '{'[' * 100000}'"),
    "a payload of bytes": lambda f: execute(f, "UPDATE objects SET payload = x'ff'"),
    "a short file": lambda f: os.truncate(f / "vectors-0.float32", 10),
    "no vectors": lambda f: (f / "vectors-0.float32").unlink(),
    "a further file": lambda f: (f / "setup.py").write_text("raise SystemExit"),
    "a rollback journal": lambda f: (f / "objects.sqlite-journal").write_bytes(b"x"),
    "a linked file": lambda f: (
        shutil.move(f / "vectors-0.float32", f.parent / "v"),
        (f / "vectors-0.float32").symlink_to(f.parent / "v"),
    ),
    "a pipe": lambda f: (
        (f / "vectors-0.float32").unlink(),
        os.mkfifo(f / "vectors-0.float32"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", HOSTILE.values(), ids=HOSTILE)
def test_a_folder_that_was_tampered_with_is_refused(folder, damage):
    damage(folder)
    with ExactStore(str(folder)) as store, pytest.raises(InvalidFolderError):
        use_all(store)


def use_all(store):
    store.open()
    store.search(vectors(1), 5)
    store.get(names(3))


def test_nan_in_the_file_is_never_near(folder):
    file = next(folder.glob("vectors-*"))
    data = np.fromfile(file, dtype="<f4").reshape(50, 4)
    data[7] = np.nan
    file.write_bytes(data.tobytes())
    with ExactStore(str(folder)) as store:
        store.open()
        found = store.search(vectors(1), 50)[0]
        assert {hit.id for hit in found} == set(names(50)) - {"n7"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do all")
def test_a_folder_of_somebody_else_is_refused(folder):
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with ExactStore(str(folder)) as store, pytest.raises(NotWritableError):
            store.open(read_only=False)
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ({"x": object()}, TypeError),
        ({"x": float("nan")}, ValueError),
        ({"x": "\ud800"}, ValueError),
    ],
    ids=["object", "NaN", "surrogate"],
)
def test_payloads_are_json(opened, payload, error):
    with pytest.raises(error):
        opened.upsert(["a"], vectors(1), [payload])
    assert len(opened) == 50


def test_conditions_beyond_the_limits_of_the_database_are_refused(opened):
    with pytest.raises(ValueError, match="Expected a simpler condition") as refused:
        opened.search(vectors(1), where=Equals("n", tuple(range(2000))))
    assert not isinstance(refused.value, InvalidFolderError)
