"""The approximate store finds what the exact one finds, or most of it."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from quaterion_core.distances import Distance
from quaterion_core.serving.stores import Equals, ExactStore
from quaterion_core.serving.stores import folder_store as folder_module
from quaterion_core.storage import InvalidFolderError
from quaterion_serving.stores import faiss_store as module
from quaterion_serving.stores.faiss_store import FaissStore

SIZE = 16


def vectors(count, seed=0):
    """Return vectors around centers, as embeddings lie."""
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(99).normal(size=(40, SIZE))
    found = centers[np.arange(count) % 40] + 0.5 * random.normal(size=(count, SIZE))
    return found.astype(np.float32)


def names(count, first=0):
    return [f"n{number}" for number in range(first, first + count)]


def payloads(count):
    return [{"third": number % 3 == 0, "number": number} for number in range(count)]


def filled(store, distance=Distance.COSINE, count=2000):
    store.create(SIZE, distance, {})
    store.upsert(names(count), vectors(count), payloads(count))
    return store


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch):
    """Follow changes in small steps."""
    monkeypatch.setattr(module, "_BEHIND", 100)


@pytest.fixture
def folder(tmp_path):
    """The folder of a store of 2,000 vectors."""
    filled(FaissStore(str(tmp_path / "store"))).close()
    return tmp_path / "store"


@pytest.fixture
def opened(folder):
    with FaissStore(str(folder)) as store:
        store.open(read_only=False)
        yield store


def recall(found, expected):
    hits = [
        len({hit.id for hit in ours} & {hit.id for hit in theirs}) / len(theirs)
        for ours, theirs in zip(found, expected, strict=True)
    ]
    return float(np.mean(hits))


@pytest.mark.parametrize("distance", ["cosine", "dot_product", "euclidean"])
@pytest.mark.parametrize(
    "where", [None, Equals("third", (True,)), Equals("number", tuple(range(10)))]
)
def test_results_are_those_of_the_exact_store(tmp_path, distance, where):
    queries = vectors(50, seed=5)
    with filled(FaissStore(str(tmp_path / "a")), Distance(distance)) as ours:
        found = ours.search(queries, 10, where)
    with filled(ExactStore(str(tmp_path / "e")), Distance(distance)) as theirs:
        expected = theirs.search(queries, 10, where)
    assert recall(found, expected) > 0.95
    scores = [{hit.id: hit.score for hit in hits} for hits in expected]
    for hits, of_query in zip(found, scores, strict=True):
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        for hit in hits:
            if hit.id in of_query:
                assert hit.score == pytest.approx(of_query[hit.id], abs=1e-5)


def test_the_manhattan_distance_is_refused(tmp_path):
    with pytest.raises(ValueError, match="for the store faiss, got manhattan"):
        FaissStore(str(tmp_path / "store")).create(4, Distance.MANHATTAN, {})
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("argument", ["m", "ef_construction", "ef_search"])
def test_arguments_have_limits(argument, tmp_path):
    with pytest.raises(ValueError, match=f"{argument} to be at most"):
        FaissStore(str(tmp_path / "store"), **{argument: 10**6})


def test_searches_beside_a_package_that_changes_faiss(folder):
    """Such as pytorch-metric-learning, in the same process."""
    code = (
        "import sys, faiss.contrib.torch_utils\n"
        "from quaterion_serving.stores.faiss_store import FaissStore\n"
        "store = FaissStore(sys.argv[1])\n"
        "store.open(read_only=False)\n"
        "store.upsert(['new'], [[9.0] * 16], [{}])\n"
        "print(store.search([[9.0] * 16], 1)[0][0].id)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.stdout.strip() == "new", result.stderr


def test_the_graph_is_kept(folder, monkeypatch):
    with FaissStore(str(folder)) as store:
        store.open()
        monkeypatch.setattr(module, "scanned", None)  # nothing is left to scan
        assert store.search(vectors(2000)[7:8], 1)[0][0].id == "n7"


def test_replaced_and_deleted_objects_are_not_found(opened):
    opened.upsert(names(300), -vectors(300), payloads(300))
    opened.delete(names(300, 300))
    found = opened.search(vectors(2000)[:600], 20)
    everything = {hit.id for hits in found for hit in hits}
    assert not everything & set(names(300, 300))
    assert all(len(hits) == 20 for hits in found)
    assert opened.search(-vectors(300)[5:6], 1)[0][0].id == "n5"


def test_all_near_objects_may_have_been_deleted(opened):
    opened.delete([name for n, name in enumerate(names(2000)) if n % 40 < 35])
    hits = opened.search(vectors(2000)[3:4], 10)[0]
    assert len(hits) == 10
    assert all(int(hit.id[1:]) % 40 >= 35 for hit in hits)


def test_more_results_than_objects(opened):
    assert len(opened.search(vectors(1), 5000)[0]) == 2000


def test_reclaimed_space_gets_a_new_graph(folder, opened, monkeypatch):
    monkeypatch.setattr(folder_module, "_DEAD", 10)
    for seed in (1, 2):
        opened.upsert(names(2000), vectors(2000, seed), payloads(2000))
    opened.close()
    graphs = [path.name for path in folder.glob("*.hnsw")]
    assert graphs == [next(folder.glob("vectors-*.float32")).stem + ".hnsw"]
    with FaissStore(str(folder)) as store:
        store.open()
        assert store.search(vectors(2000, 2)[7:8], 1)[0][0].id == "n7"


def test_readers_find_what_others_add(folder, opened):
    with FaissStore(str(folder)) as reader:
        reader.open()
        assert reader.search(vectors(1), 1)[0][0].id == "n0"
        for start in (2000, 2300, 3500):  # in the graph of the writer, or behind it
            opened.upsert(names(290, start), 3 + vectors(290, start), payloads(290))
            found = reader.search(3 + vectors(290, start)[50:51], 1)
            assert found[0][0].id == f"n{start + 50}"


KILLED = """
import os, signal, sys
import numpy as np
from quaterion_serving.stores import faiss_store
faiss_store._BEHIND = 100
store = faiss_store.FaissStore(sys.argv[1])
store.open(read_only=False)
for start in range(0, 1000, 250):
    ids = [f"new {n}" for n in range(start, start + 250)]
    store.upsert(ids, np.random.default_rng(start).normal(size=(250, 16)), [{}] * 250)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_stored_is_found_after_a_crash(folder):
    result = subprocess.run([sys.executable, "-c", KILLED, str(folder)], timeout=300)
    assert result.returncode == -signal.SIGKILL
    query = np.random.default_rng(750).normal(size=(250, 16))[249:]
    for read_only in (True, False, True):
        with FaissStore(str(folder)) as store:
            store.open(read_only=read_only)
            assert len(store) == 3000
            assert store.search(query, 1)[0][0].id == "new 999"
            store.verify()


def graph_of(folder):
    return next(folder.glob("*.hnsw"))


def changed(name, change):
    def apply(folder):
        tensors = load_file(graph_of(folder))
        tensors[name] = change(tensors[name].clone())
        save_file(tensors, graph_of(folder))

    return apply


def with_value(place, value):
    def change(tensor):
        tensor[place] = value
        return tensor

    return change


def lifted(tensor):
    """Let a node of the lowest level seem to be in all."""
    tensor[int((tensor == 1).nonzero()[0])] = tensor.max()
    return tensor


def drop_upper_levels(folder):
    """Name nodes of the lowest level as neighbors in a higher one."""
    tensors = load_file(graph_of(folder))
    levels = tensors["levels"]
    node = int((levels > 1).nonzero()[0])
    begin = 16 * int((levels[:node] + 1).sum())
    tensors["neighbors"][begin + 32] = int((levels == 1).nonzero()[0])
    save_file(tensors, graph_of(folder))


DAMAGES = {
    "neighbor beyond the end": changed("neighbors", with_value(5, 2000)),
    "negative neighbor": changed("neighbors", with_value(5, -2)),
    "neighbor that is not in the level": drop_upper_levels,
    "level of a node": changed("levels", lifted),
    "no level": changed("levels", with_value(3, 0)),
    "many levels": changed("levels", with_value(3, 1000)),
    "more nodes than rows": changed("levels", lambda levels: levels.repeat(2)),
    "no nodes": changed("levels", lambda levels: levels[:0]),
    "too few neighbors": changed("neighbors", lambda neighbors: neighbors[:-1]),
    "entry beyond the end": changed("entry", with_value(0, 2000)),
    "negative entry": changed("entry", with_value(0, -1)),
    "two entries": changed("entry", lambda entry: entry.repeat(2)),
    "other type": changed("levels", lambda levels: levels.to(torch.int64)),
    "other shape": changed("levels", lambda levels: levels[None]),
    "no file of tensors": lambda folder: graph_of(folder).write_bytes(b"x" * 100),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_graphs_are_refused(folder, damage):
    DAMAGES[damage](folder)
    with FaissStore(str(folder)) as store:
        store.open()
        with pytest.raises(InvalidFolderError):
            store.search(vectors(1), 1)


def test_a_graph_that_is_missing_is_made_again(folder):
    graph_of(folder).unlink()
    with FaissStore(str(folder)) as store:
        store.open()
        assert store.search(vectors(2000)[7:8], 1)[0][0].id == "n7"
    assert not list(folder.glob("*.hnsw"))
    with FaissStore(str(folder)) as store:
        store.open(read_only=False)
    assert graph_of(folder).exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_graph_that_is_no_file_is_refused(folder):
    graph_of(folder).unlink()
    os.mkfifo(folder / "vectors-0.hnsw")
    with FaissStore(str(folder)) as store, pytest.raises(InvalidFolderError):
        store.open()
