"""FasttextEncoder: gensim's vectors without gensim's pickles."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from quaterion_core.storage import InvalidFolderError
from quaterion_nlp.encoders.fasttext_encoder import FasttextEncoder, load_fasttext_model
from quaterion_nlp.encoders.subword_vectors import SubwordVectors

gensim = pytest.importorskip("gensim", reason="the extra 'fasttext' is not installed")
FastText = gensim.models.FastText
KeyedVectors = gensim.models.KeyedVectors
save_facebook_model = gensim.models.fasttext.save_facebook_model

TEXTS = ["red house", "a redder housing", "Ünïcödé 東京 naïveté", "red red green", "q"]
OUT_OF_VOCABULARY = ["redder", "housing", "東京", "naïveté", "x", "a<b>c", "é", "\U0001f600", "ab"]


@pytest.fixture(scope="module")
def fasttext():
    sentences = [["red", "house", "Ünïcödé"], ["green", "house"], ["a", "red", "tree"]] * 5
    return FastText(sentences, vector_size=6, min_count=1, bucket=50, seed=1, workers=1)


@pytest.fixture
def words():
    vectors = KeyedVectors(vector_size=2)
    vectors.add_vectors(["red", "green"], [[1.0, 4.0], [3.0, -2.0]])
    return vectors


@pytest.fixture
def encoder(fasttext):
    return FasttextEncoder(fasttext, aggregations=["min", "avg"])


def embed(encoder, texts):
    return encoder(encoder.get_collate_fn()(texts))


@pytest.mark.parametrize("word", ["red", "house", *OUT_OF_VOCABULARY])
def test_vectors_are_those_of_gensim(fasttext, word):
    found = SubwordVectors.of_gensim(fasttext.wv).find(word)
    np.testing.assert_allclose(found, fasttext.wv.get_vector(word), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(("min_n", "max_n"), [(1, 1), (1, 3), (2, 2), (4, 6)])
def test_any_length_of_ngrams_is_found_as_gensim_finds_it(min_n, max_n):
    model = FastText(
        [["red", "house"]], vector_size=4, min_count=1, bucket=1000, min_n=min_n, max_n=max_n
    )
    vectors = SubwordVectors.of_gensim(model.wv)
    for word in ["redder", "東京 naïveté", "a<b>c"]:
        np.testing.assert_allclose(vectors.find(word), model.wv.get_vector(word), rtol=1e-5)


def test_a_word_too_short_for_an_ngram_is_unknown():
    model = FastText([["red", "house"]], vector_size=4, min_count=1, bucket=10, min_n=4, max_n=4)
    assert SubwordVectors.of_gensim(model.wv).find("x") is None  # <x> has three characters


def test_aggregations_are_concatenated_in_their_order(words):
    encoder = FasttextEncoder(words, aggregations=["max", "min", "avg"])
    assert encoder.embedding_size == 6
    assert embed(encoder, ["red green"]).tolist() == [[3.0, 4.0, 1.0, -2.0, 2.0, 1.0]]


def test_the_mean_is_the_default_and_counts_repeated_tokens(words):
    encoder = FasttextEncoder(words)
    assert embed(encoder, ["red green green green"]).tolist() == [[2.5, -0.5]]


def test_tokens_without_a_vector_are_left_out(words):
    encoder = FasttextEncoder(words, aggregations=["min"])
    assert torch.equal(*embed(encoder, ["red unknown", "red"]))


@pytest.mark.parametrize("text", ["", "   ", "nothing known"])
def test_a_text_without_vectors_is_zero(words, text):
    encoder = FasttextEncoder(words, aggregations=["min", "max", "avg"])
    assert embed(encoder, [text]).tolist() == [[0.0] * 6]


def test_no_texts_have_no_rows(words):
    assert embed(FasttextEncoder(words), []).shape == (0, 2)


@pytest.mark.parametrize("operation", ["min", "max", "avg"])
def test_aggregate_is_the_operation_of_numpy(operation):
    vectors = torch.randn(5, 3)
    expected = {"min": np.min, "max": np.max, "avg": np.mean}[operation](vectors.numpy(), axis=0)
    np.testing.assert_allclose(FasttextEncoder.aggregate(vectors, operation), expected, rtol=1e-5)


def test_an_unknown_aggregation_is_refused(words):
    with pytest.raises(ValueError, match=r"one or more of min, max, avg, got \['sum'\]"):
        FasttextEncoder(words, aggregations=["sum"])
    with pytest.raises(ValueError, match=r"got \[\]"):
        FasttextEncoder(words, aggregations=[])
    with pytest.raises(ValueError, match="no aggregation 'sum'"):
        FasttextEncoder.aggregate(torch.ones(2, 2), "sum")


def test_a_subclass_may_split_texts_otherwise(words, tmp_path):
    class Lowercase(FasttextEncoder):
        @classmethod
        def get_tokens(cls, batch):
            return [text.lower().split("-") for text in batch]

    encoder = Lowercase(words)
    encoder.save(tmp_path)
    for each in (encoder, Lowercase.load(tmp_path)):
        assert embed(each, ["RED-GREEN"]).tolist() == [[2.0, 1.0]]


@pytest.mark.parametrize("on_disk", [True, False])
def test_saving_and_loading_gives_the_same_bits(encoder, fasttext, tmp_path, on_disk):
    encoder = FasttextEncoder(fasttext, on_disk, ["max", "avg"])
    encoder.save(tmp_path)
    loaded = FasttextEncoder.load(tmp_path)
    assert torch.equal(embed(loaded, TEXTS), embed(encoder, TEXTS))
    loaded.save(tmp_path)  # from the file it maps into the same file's place
    assert torch.equal(embed(FasttextEncoder.load(tmp_path), TEXTS), embed(encoder, TEXTS))


def test_vectors_without_ngrams_are_saved_too(words, tmp_path):
    FasttextEncoder(words).save(tmp_path)
    loaded = FasttextEncoder.load(tmp_path)
    assert embed(loaded, ["red", "unknown"]).tolist() == [[1.0, 4.0], [0.0, 0.0]]


def test_a_saved_encoder_holds_no_pickle_and_is_loaded_without_gensim(encoder, tmp_path):
    encoder.save(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        "config.json", "vocabulary.json", "vectors.safetensors"
    }  # fmt: skip
    program = (
        "import sys; sys.modules['gensim'] = None\n"
        "from quaterion_nlp.encoders.fasttext_encoder import FasttextEncoder\n"
        f"encoder = FasttextEncoder.load({str(tmp_path)!r})\n"
        "print(encoder([['red', 'redder']]).tolist())"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert json.loads(result.stdout) == encoder([["red", "redder"]]).tolist()


def test_a_fasttext_binary_is_opened_by_its_path(fasttext, tmp_path):
    save_facebook_model(fasttext, str(tmp_path / "model.bin"))
    encoder = FasttextEncoder(tmp_path / "model.bin")
    torch.testing.assert_close(embed(encoder, TEXTS), embed(FasttextEncoder(fasttext), TEXTS))
    rebuilt = FasttextEncoder.from_config(json.loads(json.dumps(encoder.get_config_dict())))
    assert torch.equal(embed(rebuilt, TEXTS), embed(encoder, TEXTS))


def test_a_pickle_of_gensim_is_not_opened_by_its_path(fasttext, tmp_path):
    fasttext.save(str(tmp_path / "model"))
    with pytest.raises(ValueError, match=r"pickle, which can run code.*load_fasttext_model\(path"):
        FasttextEncoder(str(tmp_path / "model"))


def test_load_fasttext_model_opens_all_three_formats(fasttext, tmp_path):
    fasttext.save(str(tmp_path / "model"))
    fasttext.wv.save(str(tmp_path / "vectors"))
    save_facebook_model(fasttext, str(tmp_path / "model.bin"))
    expected = embed(FasttextEncoder(fasttext), TEXTS)
    for name in ("model", "vectors", "model.bin"):
        encoder = FasttextEncoder(load_fasttext_model(tmp_path / name))
        torch.testing.assert_close(embed(encoder, TEXTS), expected)


def test_vectors_of_gensim_have_no_config_but_say_how_to_save(encoder):
    with pytest.raises(NotImplementedError, match=r"Use save\(path\)"):
        encoder.get_config_dict()


def test_another_object_is_refused():
    with pytest.raises(TypeError, match="got a list"):
        FasttextEncoder([[1.0]])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.bin"):
        FasttextEncoder(tmp_path / "none.bin")


def test_without_gensim_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim", None)
    monkeypatch.delitem(sys.modules, "gensim.models", raising=False)
    with pytest.raises(ImportError, match=r'pip install "quaterion-nlp\[fasttext\]"'):
        FasttextEncoder(tmp_path / "model.bin")


def test_a_text_that_is_not_a_string_is_refused(encoder):
    with pytest.raises(TypeError, match="FasttextEncoder encodes strings, but object 0 is a int"):
        encoder.get_collate_fn()([3])


def test_collate_is_picklable_and_holds_no_vectors(encoder):
    pickled = pickle.dumps(encoder.get_collate_fn())
    assert len(pickled) < 200
    assert pickle.loads(pickled)(["red house"]) == [["red", "house"]]


def test_nothing_is_trained_and_checkpoints_hold_no_vectors(encoder):
    assert not encoder.trainable
    assert list(encoder.parameters()) == []
    assert encoder.state_dict() == {}


def test_embeddings_are_on_the_device_of_the_module(words):
    assert FasttextEncoder(words).to("meta")([["red"]]).is_meta


@pytest.mark.parametrize("name", ["config.json", "vocabulary.json", "vectors.safetensors"])
def test_a_missing_part_is_named(encoder, tmp_path, name):
    encoder.save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InvalidFolderError, match=name.replace(".", r"\.")):
        FasttextEncoder.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vectors.safetensors", b"broken"),
        ("config.json", b'{"model_path": "/etc/passwd"}'),
        ("config.json", b'{"on_disk": false, "aggregations": ["sum"]}'),
        ("vocabulary.json", b'{"words": ["one"], "min_n": 3, "max_n": 6}'),
        ("vocabulary.json", b'{"words": "abcdef", "min_n": 3, "max_n": 2}'),
        ("vocabulary.json", b'{"words": []}'),
    ],
)
def test_parts_that_do_not_fit_are_refused(encoder, tmp_path, name, content):
    encoder.save(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidFolderError):
        FasttextEncoder.load(tmp_path)


def test_all_wrong_arguments_are_listed_at_once():
    with pytest.raises(ValueError, match="aggregations") as caught:
        FasttextEncoder(3, on_disk="no", aggregations="avg")
    assert "on_disk to be True or False, got 'no'" in str(caught.value)
    assert "got a int" in str(caught.value)
