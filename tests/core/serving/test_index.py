"""An index embeds each object once, knows its model, and continues after an interruption."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from quaterion_core import SimilarityModel
from quaterion_core.cli import main
from quaterion_core.encoders import Encoder
from quaterion_core.heads import EmptyHead
from quaterion_core.plugins import register_encoder
from quaterion_core.serving import Added, Index
from quaterion_core.serving import index as module
from quaterion_core.serving.stores import Equals
from quaterion_core.storage import InvalidFolderError, NotWritableError, OutputExistsError


@register_encoder("counted-letters")
class CountedLetters(Encoder):
    """Counts the first letters of the alphabet, and how many texts it has embedded."""

    trainable = False
    embedded = 0

    def __init__(self, letters=8):
        super().__init__()
        self.letters = letters

    @property
    def embedding_size(self):
        return self.letters

    def get_collate_fn(self):
        return list

    def forward(self, texts):
        CountedLetters.embedded += len(texts)
        alphabet = "abcdefghijklmnopqrstuvwxyz"[: self.letters]
        counts = [[1 + text.count(letter) for letter in alphabet] for text in texts]
        return torch.tensor(counts).float()

    def get_config_dict(self):
        return {"letters": self.letters}


TEXTS = [f"{a}{b}{c}" for a in "abcdefgh" for b in "abcdefgh" for c in "aceg"]


@pytest.fixture
def saved(tmp_path):
    """The folder of a saved model."""
    SimilarityModel(CountedLetters(), EmptyHead(8)).save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def built(saved, tmp_path):
    """The folder of an index over all texts."""
    with Index.create(tmp_path / "index", saved) as index:
        payloads = [{"first": text[0], "n": n} for n, text in enumerate(TEXTS)]
        assert index.add(TEXTS, payloads=payloads) == Added(len(TEXTS))
    return tmp_path / "index"


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_results_are_those_of_the_model(built, saved):
    embeddings = SimilarityModel.load(saved).encode(TEXTS)
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    with Index.open(built) as index:
        for query in ("abba", "hhgg"):
            similarities = units @ units_of(saved, query)
            hits = index.search(query, top=20)
            expected = np.sort(similarities)[::-1][:20]
            assert [hit.score for hit in hits] == pytest.approx(expected.tolist(), abs=1e-5)
            for hit in hits:
                number = TEXTS.index(hit.object)
                assert hit.payload == {"first": hit.object[0], "n": number}
                assert similarities[number] == pytest.approx(hit.score, abs=1e-5)


def units_of(saved, query):
    found = SimilarityModel.load(saved).encode([query])[0]
    return found / np.linalg.norm(found)


def test_a_search_embeds_the_query_alone(built):
    CountedLetters.embedded = 0
    with Index.open(built) as index:
        hits = index.search("bad", top=3, where=Equals("first", ("b",)))
    assert CountedLetters.embedded == 1
    assert {hit.object[0] for hit in hits} == {"b"}


def test_what_has_not_changed_is_not_embedded_again(built):
    with Index.open(built, read_only=False) as index:
        CountedLetters.embedded = 0
        payloads = [{"first": text[0], "n": n} for n, text in enumerate(TEXTS)]
        payloads[3] = {"first": "other"}
        assert index.add(TEXTS, payloads=payloads) == Added(1, len(TEXTS) - 1)
        assert CountedLetters.embedded == 1
        assert len(index) == len(TEXTS)
        (found,) = (hit for hit in index.search(TEXTS[3], top=50) if hit.object == TEXTS[3])
        assert found.payload == {"first": "other"}


def test_an_interrupted_run_is_continued(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 50)

    def interrupted():
        yield from TEXTS[:120]
        raise KeyboardInterrupt

    with Index.create(tmp_path / "index", saved) as index:
        with pytest.raises(KeyboardInterrupt):
            index.add(interrupted())
        assert len(index) == 100
        assert index.add(TEXTS) == Added(len(TEXTS) - 100, 100)


def test_ids_name_objects(saved, tmp_path):
    with Index.create(tmp_path / "index", saved) as index:
        index.add(["abc", "bcd"], ids=["1", "2"])
        index.add(["hhh"], ids=["2"])
        assert index.delete(["1", "3"]) == 1
        assert [(hit.id, hit.object) for hit in index.search("h")] == [("2", "hhh")]
        with pytest.raises(ValueError, match="one object for each id, got two for 'x'"):
            index.add(["abc", "bcd"], ids=["x", "x"])


def test_another_model_is_refused(built, tmp_path):
    SimilarityModel(CountedLetters(7), EmptyHead(7)).save(tmp_path / "other")
    with (
        Index.open(built, tmp_path / "other") as index,
        pytest.raises(ValueError, match="got another one"),
    ):
        index.search("a")
    with Index.open(built, SimilarityModel(CountedLetters(), EmptyHead(8))) as index:
        assert len(index.search("a", top=2)) == 2


def test_a_model_that_is_gone_is_told(built, saved):
    saved.rename(saved.with_name("moved"))
    with Index.open(built) as index, pytest.raises(FileNotFoundError, match="not at .* any more"):
        index.search("a")
    result = run("search", built, "abc", "--model", saved.with_name("moved"))
    assert result.exit_code == 0, result.output


def test_an_index_is_replaced_only_on_request(built, saved, tmp_path):
    with pytest.raises(OutputExistsError, match="holds an index already"):
        Index.create(built, saved)
    with Index.create(built, saved, overwrite=True) as index:
        assert len(index) == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(OutputExistsError):
        Index.create(tmp_path / "mine", saved, overwrite=True)


def test_reading_changes_nothing(built):
    with Index.open(built) as index, pytest.raises(NotWritableError):
        index.add(["new"])


def test_quantized_and_truncated(saved, tmp_path):
    store = {"name": "exact", "dtype": "int8"}
    with Index.create(tmp_path / "index", saved, store=store, dim=5) as index:
        index.add(TEXTS)
    with Index.open(tmp_path / "index") as index:
        assert index.store.embedding_size == 5
        assert index.search("aaa", top=1)[0].object == "aaa"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"component": "os/system"}, Exception),
        ({"component": "quaterion-core/triplet"}, Exception),
        ({"config": {"dtype": "float64"}}, InvalidFolderError),
        ({"config": {"location": "/etc"}}, InvalidFolderError),
        ({"config": {"unknown": 1}}, InvalidFolderError),
        ({"format": "other"}, InvalidFolderError),
        ({"more": 1}, InvalidFolderError),
    ],
    ids=["no store", "a loss", "dtype", "location", "argument", "format", "key"],
)
def test_an_index_that_was_tampered_with_is_refused(built, change, error):
    file = built / "index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(error):
        Index.open(built)


# The lexical side.


@pytest.fixture
def pumps(saved, tmp_path):
    texts = [f"the pump number {n} is loud" for n in range(200)]
    texts[120] += ", error E-1207"
    with Index.create(tmp_path / "pumps", saved, lexical=True) as index:
        index.add(texts, payloads=[{"even": n % 2 == 0} for n in range(200)])
    return tmp_path / "pumps", texts


def test_codes_are_found_by_words(pumps):
    folder, texts = pumps
    with Index.open(folder) as index:
        (first, *_) = index.search("E-1207?", top=3, lexical=True)
        assert first.object == texts[120]
        assert first.score < 2 / 61 + 1e-9
        odd = index.search("E-1207", where=Equals("even", (False,)), lexical=True)
        assert texts[120] not in [hit.object for hit in odd]
        assert len(index.search("???", top=4, lexical=True)) == 4
        with pytest.raises(TypeError, match="a text for a lexical search"):
            index.search(5, lexical=True)


def test_words_of_changed_and_deleted_texts_are_not_found(pumps):
    folder, texts = pumps
    with Index.open(folder, read_only=False) as index:
        (first, *_) = index.search("E-1207", lexical=True)
        index.delete([first.id])
        index.add(["a new text about code X99"], ids=["x"])
        index.add(["a new text about code Y77"], ids=["x"])
        assert texts[120] not in [hit.object for hit in index.search("E-1207", lexical=True)]
        assert index.search("Y77", lexical=True)[0].id == "x"
        assert index._lexical.search("X99", 5) == []


def test_an_index_without_words_says_so(built):
    with Index.open(built) as index, pytest.raises(InvalidFolderError, match="no lexical side"):
        index.search("a", lexical=True)
    assert "--lexical" in run("search", built, "a", "--lexical").output


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b"no database" * 500),
        lambda file: (file.unlink(), file.symlink_to("/etc/hostname")),
        lambda file: (file.unlink(), os.mkfifo(file)),
        lambda file: Path(f"{file}-journal").write_bytes(b"x"),
        lambda file: sqlite3.connect(file).execute("CREATE TABLE more (x)").connection.commit(),
        lambda file: (
            sqlite3.connect(file)
            .execute("CREATE TRIGGER t AFTER INSERT ON ids BEGIN DELETE FROM ids; END")
            .connection.commit()
        ),
    ],
    ids=["bytes", "link", "pipe", "journal", "table", "trigger"],
)
def test_a_lexical_side_that_was_tampered_with_is_refused(pumps, damage):
    folder, _ = pumps
    damage(folder / "lexical.sqlite")
    with pytest.raises(InvalidFolderError):
        Index.open(folder).search("E-1207", lexical=True)


def test_a_damaged_lexical_side_is_told(pumps):
    folder, _ = pumps
    file = folder / "lexical.sqlite"
    data = bytearray(file.read_bytes())
    for place in range(5000, len(data), 97):
        data[place] ^= 255
    file.write_bytes(data)
    try:
        with Index.open(folder) as index:
            index.search("pump E-1207 loud", lexical=True)
    except InvalidFolderError:
        pass  # or it is read as it is


# The commands.


@pytest.fixture
def table(tmp_path):
    rows = [{"key": f"k{n}", "word": text, "first": text[0]} for n, text in enumerate(TEXTS)]
    (tmp_path / "words.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "words.jsonl"


def test_the_commands_index_and_search(saved, table, tmp_path):
    arguments = "index", saved, table, "-o", tmp_path / "made", "--column", "word", "--id", "key"
    first = run(*arguments)
    assert first.exit_code == 0, first.output
    assert f"Embedded {len(TEXTS)} objects; 0 unchanged." in first.output
    again = run(*arguments)
    assert f"Embedded 0 objects; {len(TEXTS)} unchanged." in again.output
    found = run("search", tmp_path / "made", "abc", "--top", 2, "--where", "first=b", "--json")
    assert found.exit_code == 0, found.output
    (line,) = found.output.splitlines()
    results = json.loads(line)["results"]
    assert len(results) == 2
    assert all(result["payload"] == {"first": "b"} for result in results)
    assert results[0]["id"] == f"k{TEXTS.index(results[0]['object'])}"
    shown = run("search", tmp_path / "made", "abc")
    assert "Searching 256 objects." in shown.output
    deleted = run("index", saved, "-o", tmp_path / "made", "--delete", "k0", "--delete", "zz")
    assert "Deleted 1 object." in deleted.output
    assert "holds 255 objects" in deleted.output


def test_a_corpus_is_embedded_once(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("QUATERION_CACHE", str(tmp_path / "cache"))
    (tmp_path / "words.txt").write_text("\n".join(TEXTS))
    arguments = "search", saved, "abc", "--corpus", tmp_path / "words.txt"
    first = run(*arguments)
    assert first.exit_code == 0, first.output
    CountedLetters.embedded = 0
    again = run(*arguments)
    assert again.stdout.splitlines()[-5:] == first.stdout.splitlines()[-5:]
    assert CountedLetters.embedded == 1
    (tmp_path / "words.txt").write_text("bad\ncab")
    assert "Searching 2 objects." in run(*arguments).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["index", "MODEL"], "--output DIR, or --to URL"),
        (["index", "MODEL", "-o", "x", "--to", "y://z"], "--output DIR, or --to URL"),
        (["index", "MODEL", "-o", "x"], "has no recipe.yaml"),
        (["index", "MODEL", "none.csv", "-o", "x"], "none.csv"),
        (["index", "MODEL", "-o", "x", "--store", "exakt"], "did you mean 'exact'"),
        (["index", "MODEL", "--to", "nowhere://x"], "Expected a folder, or a URL of an installed"),
        (["search", "MODEL", "q", "--model", "MODEL"], "--model needs an index"),
        (["search", "none", "q"], "none cannot be read"),
        (["search", "MODEL", "q", "--where", "source"], "Expected a condition such as"),
    ],
)
def test_mistakes_are_told(saved, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*[str(saved) if argument == "MODEL" else argument for argument in arguments])
    assert result.exit_code != 0
    assert message in " ".join(result.output.split())


def test_options_of_a_model_do_not_fit_an_index(built):
    result = run("search", built, "q", "--corpus", built)
    assert "--corpus needs a model" in result.output


KILLED = """
import os, signal, sys
from quaterion_core.serving import Index, index

index._BLOCK = 50
opened = Index.open(sys.argv[1], read_only=False)
calls = []
upsert = opened.store.upsert
def killed(*arguments):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    upsert(*arguments)
opened.store.upsert = killed
sys.path.insert(0, sys.argv[2])
opened._model = __import__("model_for_kill").MODEL
opened.add([str(n) for n in range(400)])
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_killed_process_leaves_whole_blocks(tmp_path):
    (tmp_path / "model_for_kill.py").write_text(
        "import torch\n"
        "class MODEL:\n"
        "    embedding_size = 8\n"
        "    def encode(objects, batch_size, dim):\n"
        "        return torch.ones(len(objects), 8).numpy()\n"
    )
    SimilarityModel(CountedLetters(), EmptyHead(8)).save(tmp_path / "model")
    Index.create(tmp_path / "index", tmp_path / "model").close()
    command = [sys.executable, "-c", KILLED, str(tmp_path / "index"), str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with Index.open(tmp_path / "index") as index:
        assert len(index) == 100
        index.store.verify()
