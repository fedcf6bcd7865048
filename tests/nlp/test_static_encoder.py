"""StaticEncoder: the mean of token embeddings, its tokenizer, and saving with it."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from tokenizers import Tokenizer, models, pre_tokenizers

from quaterion_core import Quaterion
from quaterion_core.dataset import SimilarityPairSample
from quaterion_core.storage import InvalidFolderError
from quaterion_nlp.encoders.static_encoder import StaticEncoder
from quaterion_nlp.encoders.token_vectors import principal_components

TEXTS = ["Delete a file", "remove a folder", "open a file", "close the file", "ein Käse", "文件"]


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return StaticEncoder.from_data(TEXTS, vocab_size=300, embedding_size=4)


@pytest.fixture
def word_tokenizer():
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "red": 1, "green": 2}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def embed(encoder, texts):
    return encoder(encoder.get_collate_fn()(texts))


def test_an_embedding_is_the_mean_of_the_tokens_rows(word_tokenizer):
    encoder = StaticEncoder(word_tokenizer, embedding_size=2)
    encoder.embedding.weight.data = torch.tensor([[0.0, 9.0], [1.0, 2.0], [4.0, 8.0]])
    expected = torch.tensor([[2.0, 4.0], [4.0, 8.0], [2.5, 5.0]])
    torch.testing.assert_close(embed(encoder, ["red red green", "green", "red green"]), expected)


def test_every_mean_can_have_one_length(word_tokenizer, tmp_path):
    encoder = StaticEncoder(word_tokenizer, embedding_size=2, length=5.0)
    encoder.embedding.weight.data = torch.tensor([[0.0, 9.0], [0.6, 0.8], [3.0, 4.0]])
    expected = torch.tensor([[3.0, 4.0], [3.0, 4.0], [0.0, 0.0], [0.0, 5.0]])
    texts = ["red green", "red", "", "blue"]
    torch.testing.assert_close(embed(encoder, texts), expected)
    embed(encoder, texts).sum().backward()
    assert torch.isfinite(encoder.embedding.weight.grad).all()
    encoder.save(tmp_path)
    assert torch.equal(embed(StaticEncoder.load(tmp_path), texts), embed(encoder, texts))


def test_collate_writes_tokens_one_after_the_other(word_tokenizer):
    batch = StaticEncoder(word_tokenizer, 2).get_collate_fn()(["red green", "", "blue"])
    assert batch["input_ids"].tolist() == [1, 2, 0]
    assert batch["offsets"].tolist() == [0, 2, 2]


def test_sentence_transformers_loads_the_saved_folder(encoder, tmp_path):
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    encoder.save(tmp_path)
    other = StaticEmbedding.load(str(tmp_path))
    theirs = other(other.preprocess(["delete the folder", ""]))["sentence_embedding"]
    assert torch.equal(theirs, embed(encoder, ["delete the folder", ""]))


@pytest.mark.parametrize("text", ["", " \n", "\u200b"])
def test_an_empty_text_has_a_finite_embedding(encoder, text):
    assert torch.isfinite(embed(encoder, [text])).all()


def test_the_empty_text_is_zero_and_takes_no_gradient(encoder):
    embedding = embed(encoder, [""])
    embedding.sum().backward()
    assert embedding.tolist() == [[0.0] * 4]
    assert not encoder.embedding.weight.grad.any()


def test_a_batch_without_texts_has_no_rows(encoder):
    assert embed(encoder, []).shape == (0, 4)


@pytest.mark.parametrize("text", ["☃", "ρ", "\U0001f9ff zzz"])
def test_a_text_of_unseen_characters_has_an_embedding_of_its_own(encoder, text):
    embeddings = embed(encoder, [text, "delete"])
    assert torch.isfinite(embeddings).all()
    assert embeddings[0].any()
    assert not torch.equal(*embeddings)


def test_a_users_tokenizer_without_unknown_token_drops_what_it_does_not_know():
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    assert embed(StaticEncoder(tokenizer, 3), ["zzz"]).tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize(("lowercase", "equal"), [(True, True), (False, False)])
def test_lowercase_decides_whether_case_matters(lowercase, equal):
    encoder = StaticEncoder.from_data(TEXTS, vocab_size=300, lowercase=lowercase)
    assert torch.equal(*embed(encoder, ["FILE", "file"])) == equal


def test_the_vocabulary_is_no_larger_than_asked_and_grows_from_repeated_parts(encoder):
    assert len(encoder.tokenizer.get_vocab()) <= 300
    assert encoder.tokenizer.encode("file").tokens == ["file"]  # three times in the texts


def test_min_frequency_keeps_rare_words_in_parts():
    encoder = StaticEncoder.from_data(TEXTS, vocab_size=300, min_frequency=4)
    assert len(encoder.tokenizer.encode("file").tokens) > 1


def test_training_texts_may_come_from_a_generator(encoder):
    other = StaticEncoder.from_data((text for text in TEXTS), vocab_size=300, embedding_size=4)
    assert other.tokenizer.get_vocab() == encoder.tokenizer.get_vocab()


@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_tokenizer_is_the_same_with_any_number_of_threads(threads):
    texts = [f"{chr(97 + i % 26)}{chr(97 + i % 7)} {i % 11}" for i in range(3000)]
    program = (
        "import sys; from quaterion_nlp.encoders.static_encoder import StaticEncoder\n"
        f"encoder = StaticEncoder.from_data({texts}, vocab_size=400)\n"
        "sys.stdout.write(encoder.tokenizer.to_str())"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "RAYON_NUM_THREADS": threads},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    here = StaticEncoder.from_data(texts, vocab_size=400).tokenizer.to_str()
    assert json.loads(result.stdout) == json.loads(here)


def test_the_seed_decides_the_table(encoder):
    torch.manual_seed(0)
    same = StaticEncoder.from_data(TEXTS, vocab_size=300, embedding_size=4)
    other = StaticEncoder.from_data(TEXTS, vocab_size=300, embedding_size=4)
    assert torch.equal(same.embedding.weight, encoder.embedding.weight)
    assert not torch.equal(other.embedding.weight, encoder.embedding.weight)


def test_rows_start_with_a_length_of_about_one():
    torch.manual_seed(0)
    encoder = StaticEncoder.from_data(TEXTS, embedding_size=2048)
    torch.testing.assert_close(
        encoder.embedding.weight.norm(dim=1), torch.ones(encoder.embedding.num_embeddings),
        atol=0.1, rtol=0.0,
    )  # fmt: skip


def test_loading_gives_the_same_bits(encoder, tmp_path):
    encoder.save(tmp_path)
    loaded = StaticEncoder.load(tmp_path)
    texts = ["delete the folder", "Käse ☃", ""]
    assert torch.equal(embed(loaded, texts), embed(encoder, texts))
    assert loaded.get_config_dict() == encoder.get_config_dict()


def test_a_frozen_encoder_stays_frozen_when_loaded(tmp_path):
    encoder = StaticEncoder.from_data(TEXTS, trainable=False)
    encoder.save(tmp_path)
    loaded = StaticEncoder.load(tmp_path)
    assert not loaded.trainable
    assert not loaded.embedding.weight.requires_grad
    assert not loaded.train().training


def test_the_config_is_json_and_builds_the_same_encoder(encoder):
    config = json.loads(json.dumps(encoder.get_config_dict()))
    rebuilt = StaticEncoder.from_config(config)
    rebuilt.load_state_dict(encoder.state_dict())
    assert torch.equal(embed(rebuilt, TEXTS), embed(encoder, TEXTS))


def test_collate_is_picklable_and_holds_no_weights():
    encoder = StaticEncoder.from_data(TEXTS, vocab_size=300, embedding_size=4096)
    pickled = pickle.dumps(encoder.get_collate_fn())
    assert len(pickled) < 100_000  # the weights take 5 MB
    batch = pickle.loads(pickled)(["delete a file"])
    assert torch.equal(encoder(batch), embed(encoder, ["delete a file"]))


def test_a_users_tokenizer_is_copied_and_its_padding_and_truncation_unused(word_tokenizer):
    word_tokenizer.enable_padding(pad_id=0, length=8)
    word_tokenizer.enable_truncation(1)
    encoder = StaticEncoder(word_tokenizer, 2)
    assert encoder.get_collate_fn()(["red green"])["input_ids"].tolist() == [1, 2]
    assert word_tokenizer.padding is not None
    assert word_tokenizer.truncation is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"vocab_size": 256},
            "vocab_size to be more than 256, since .*, got 256",
        ),
        ({"vocab_size": 1e4}, "vocab_size to be a positive integer, got 10000.0"),
        ({"embedding_size": 0}, "embedding_size to be a positive integer, got 0"),
        ({"min_frequency": True}, "min_frequency to be a positive integer, got True"),
        ({"length": 0}, "length to be a positive number, or None .* got 0"),
        ({"length": float("inf")}, "length to be a positive number, or None .* got inf"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        StaticEncoder.from_data(TEXTS, **arguments)


def test_all_wrong_arguments_are_listed_at_once(word_tokenizer):
    with pytest.raises(ValueError, match="weighting") as caught:
        StaticEncoder.from_data(
            TEXTS, vocab_size=3, min_frequency=0, lowercase="no", embedding_size=-1, pca=4,
            weighting="idf", trainable="no", length=-1,
        )  # fmt: skip
    named = ("vocab_size to", "min_frequency to", "lowercase to be True or False, got 'no'",
             "embedding_size to", "pca=4", "weighting to", "trainable to", "length to")  # fmt: skip
    assert [name for name in named if name not in str(caught.value)] == []
    with pytest.raises(ValueError, match=r"embedding_size(.|\n)*trainable to be True or False"):
        StaticEncoder(word_tokenizer, embedding_size=0, trainable="no")


def test_no_training_texts_is_refused():
    with pytest.raises(ValueError, match="Expected training texts for the vocab.*, got none"):
        StaticEncoder.from_data([])


def test_training_on_records_names_their_type_and_the_way_out():
    with pytest.raises(TypeError, match=r"object 1 is a dict: .*Give the text itself"):
        StaticEncoder.from_data(["a text", {"title": "a text"}])


def test_encoding_something_else_names_its_type(encoder):
    with pytest.raises(TypeError, match="encodes strings, but object 0 is a int: 3"):
        encoder.get_collate_fn()([3])


def test_a_tokenizer_of_another_library_is_refused():
    with pytest.raises(TypeError, match=r"tokenizer to be a tokenizers.Tokenizer, got a str"):
        StaticEncoder("bert-base-uncased")


def test_an_untrained_tokenizer_is_refused():
    with pytest.raises(ValueError, match="has no vocabulary"):
        StaticEncoder(Tokenizer(models.BPE()))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(encoder, tmp_path, name):
    encoder.save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InvalidFolderError, match=name.replace(".", r"\.")):
        StaticEncoder.load(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_broken_file_is_refused(encoder, tmp_path, name):
    encoder.save(tmp_path)
    (tmp_path / name).write_text('{"model": 3}')
    with pytest.raises(InvalidFolderError):
        StaticEncoder.load(tmp_path)


def test_weights_of_another_vocabulary_are_refused(encoder, tmp_path):
    StaticEncoder.from_data(["a b"], vocab_size=257, embedding_size=4).save(tmp_path)
    tokenizer = (tmp_path / "tokenizer.json").read_bytes()
    encoder.save(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(tokenizer)
    with pytest.raises(InvalidFolderError, match="does not fit StaticEncoder"):
        StaticEncoder.load(tmp_path)


def test_importing_the_encoder_does_not_import_sentence_transformers():
    program = (
        "import sys, quaterion_nlp.encoders.static_encoder\n"
        "print({'sentence_transformers', 'transformers'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


# A pretrained tokenizer.


def test_a_tokenizer_of_a_folder_is_taken_in_place_of_training_one(word_tokenizer, tmp_path):
    word_tokenizer.save(str(tmp_path / "tokenizer.json"))
    encoder = StaticEncoder.from_data([], tokenizer=tmp_path, embedding_size=4)
    assert encoder.tokenizer.get_vocab() == word_tokenizer.get_vocab()
    assert encoder.embedding.weight.shape == (3, 4)
    again = StaticEncoder.from_data([], tokenizer=str(tmp_path), embedding_size=4)
    assert again.tokenizer.get_vocab() == word_tokenizer.get_vocab()


def test_a_tokenizer_of_transformers_without_a_file_of_its_own_is_opened(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nred\nhouse\n")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    encoder = StaticEncoder.from_data([], tokenizer=tmp_path)
    assert encoder.tokenizer.encode("red house", add_special_tokens=False).ids == [5, 6]


def test_a_tokenizer_that_cannot_be_opened_is_named_with_the_way_out(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be opened: [\s\S]*with a tokenizer.json"):
        StaticEncoder.from_data([], tokenizer=tmp_path)


# Weights by frequency.


def test_rows_are_weighted_by_their_smooth_inverse_frequency(word_tokenizer):
    texts = ["red red red", "green"]
    torch.manual_seed(0)
    plain = StaticEncoder.from_data(texts, tokenizer=word_tokenizer, embedding_size=4)
    torch.manual_seed(0)
    weighted = StaticEncoder.from_data(
        texts, tokenizer=word_tokenizer, embedding_size=4, weighting="sif"
    )
    # a / (a + p) with a = 1/1000 and p = 0, 3/4 and 1/4
    weights = torch.tensor([[1.0], [1 / 751], [1 / 251]])
    torch.testing.assert_close(weighted.embedding.weight, plain.embedding.weight * weights)


def test_weighting_works_with_a_trained_tokenizer_from_a_generator():
    encoder = StaticEncoder.from_data((text for text in TEXTS), vocab_size=300, weighting="sif")
    file = encoder.tokenizer.token_to_id("file")
    lengths = encoder.embedding.weight.norm(dim=1)
    assert lengths[file] < lengths.median() / 10


def test_weighting_without_texts_is_refused(word_tokenizer):
    with pytest.raises(
        ValueError, match="texts with tokens, which weighting='sif' counts, got none"
    ):
        StaticEncoder.from_data([], tokenizer=word_tokenizer, weighting="sif")


# Vectors of a pretrained model.


@pytest.fixture(scope="module")
def small_model(save_bert, tmp_path_factory):
    """A sentence-transformers model over seven tokens, and its folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    folder = tmp_path_factory.mktemp("small")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "##dish", "house"]
    save_bert(
        folder, words, hidden_size=6, num_hidden_layers=1, intermediate_size=8,
        max_position_embeddings=16,
    )  # fmt: skip
    modules = [Transformer(str(folder)), Pooling(6, "mean")]
    model = SentenceTransformer(modules=modules, device="cpu")
    model.save(str(folder / "saved"), create_model_card=False)
    return model, folder / "saved"


def test_rows_are_what_a_model_makes_of_each_token_scaled_by_one_number(small_model):
    model, folder = small_model
    encoder = StaticEncoder.from_data([], model=folder)
    assert encoder.tokenizer.get_vocab() == model.tokenizer.get_vocab()
    rows = encoder.embedding.weight.detach()
    assert rows.shape == (8, 6)
    torch.testing.assert_close(rows.norm(dim=1).mean(), torch.tensor(1.0))
    expected = torch.from_numpy(model.encode(["red", "house"]))
    factor = rows[5, 0] / expected[0, 0]
    torch.testing.assert_close(rows[[5, 7]], expected * factor)
    assert not torch.allclose(rows[6], rows[5], atol=1e-3)  # "##dish" is a token of its own


def test_a_model_object_gives_the_same_rows_as_its_folder(small_model):
    model, folder = small_model
    of_object = StaticEncoder.from_data([], model=model).embedding.weight
    assert torch.equal(of_object, StaticEncoder.from_data([], model=folder).embedding.weight)


def test_principal_components_are_those_of_scikit_learn():
    vectors = np.random.default_rng(0).normal(size=(50, 8)) @ np.diag(range(1, 9)) + 3
    expected = PCA(3).fit_transform(vectors)
    components = principal_components(torch.from_numpy(vectors), 3).numpy()
    signs = np.sign((components * expected).sum(axis=0))
    np.testing.assert_allclose(components * signs, expected, atol=1e-9)


def test_pca_keeps_the_distances_of_rows_and_moves_their_mean_to_zero(small_model):
    _, folder = small_model
    whole = StaticEncoder.from_data([], model=folder).embedding.weight.detach()
    turned = StaticEncoder.from_data([], model=folder, pca=6).embedding.weight.detach()
    torch.testing.assert_close(turned.mean(dim=0), torch.zeros(6), atol=1e-6, rtol=0.0)
    ratio = torch.cdist(turned, turned) / torch.cdist(whole, whole)
    ratio = ratio[~torch.eye(8, dtype=torch.bool)]
    torch.testing.assert_close(ratio, ratio[0].expand_as(ratio), rtol=1e-3, atol=0.0)
    assert StaticEncoder.from_data([], model=folder, pca=2).embedding_size == 2


def test_what_was_distilled_is_saved_and_loaded_without_the_model(small_model, tmp_path):
    _, folder = small_model
    encoder = StaticEncoder.from_data(["red house"], model=folder, pca=4, weighting="sif")
    encoder.save(tmp_path)
    texts = ["reddish house", ""]
    assert torch.equal(embed(StaticEncoder.load(tmp_path), texts), embed(encoder, texts))


def test_all_options_are_given_by_name(small_model):
    _, folder = small_model
    choice = {"name": "static", "model": str(folder), "pca": 4, "weighting": "sif", "length": 0.5}
    model = Quaterion.build(
        encoder=choice,
        loss="multiple-negatives-ranking",
        data=[SimilarityPairSample("red house", "reddish")],
    )
    embeddings = model.model.encode(["a red house"])
    assert embeddings.shape == (1, 4)
    assert np.linalg.norm(embeddings) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tokenizer": "x", "vocab_size": 300}, "vocab_size cannot be combined with tokenizer"),
        ({"tokenizer": "x", "lowercase": False}, "lowercase cannot be combined with tokenizer"),
        (
            {"model": "x", "embedding_size": 8},
            "size cannot be combined with model. .*pca",
        ),
        ({"model": "x", "tokenizer": "y"}, "tokenizer cannot be combined with model"),
        ({"pca": 8}, "pca=8 reduces the vectors of a model, but there is no model"),
        ({"weighting": "idf"}, "weighting to be 'sif' or None, got 'idf'"),
        ({"model": "no/such/folder"}, "'no/such/folder' cannot be opened"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(arguments, message, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=message):
        StaticEncoder.from_data(TEXTS, **arguments)


@pytest.mark.parametrize("count", [0, 7, 2.0])
def test_more_components_than_there_are_are_refused(small_model, count):
    expected = "between 1 and 6" if count == 7 else "a positive integer"
    with pytest.raises(ValueError, match=f"pca to be {expected}, got {count}"):
        StaticEncoder.from_data([], model=small_model[1], pca=count)


def test_a_model_without_a_transformer_cannot_be_distilled():
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import BoW

    model = SentenceTransformer(modules=[BoW(["red"])], device="cpu")
    with pytest.raises(
        ValueError, match="Expected a model with a transformer, .* got 'SentenceTransformer'"
    ):
        StaticEncoder.from_data([], model=model)
