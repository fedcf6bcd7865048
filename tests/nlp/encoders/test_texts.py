"""Tests of valid and invalid texts for every text encoder."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import BoW

from quaterion_core import SimilarityModel
from quaterion_core.heads import EmptyHead
from quaterion_nlp.encoders.fasttext_encoder import FasttextEncoder
from quaterion_nlp.encoders.sentence_transformer_encoder import SentenceTransformerEncoder
from quaterion_nlp.encoders.static_encoder import StaticEncoder
from quaterion_nlp.encoders.subword_vectors import SubwordVectors
from quaterion_nlp.encoders.truncation import TruncationWarning, position_limit

pytestmark = pytest.mark.usefixtures("without_network")


class Title(str):
    __slots__ = ()


@pytest.fixture(params=["sentence-transformer", "static", "fasttext"])
def encoder(request, tiny_folder):
    if request.param == "sentence-transformer":
        return SentenceTransformerEncoder(tiny_folder).eval()
    if request.param == "static":
        return StaticEncoder.from_data(["a red house", "green"], vocab_size=300, embedding_size=8)
    vectors = np.array([[1.0, 4.0], [3.0, 2.0]], dtype=np.float32)
    return FasttextEncoder(SubwordVectors(["red", "house"], vectors, np.empty((0, 2)), 0, 0))


def embed(encoder, texts):
    with torch.no_grad():
        return encoder(encoder.get_collate_fn()(texts))


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (None, TypeError, "object 2 is a NoneType: None. Leave out records without a text"),
        (b"red", TypeError, r"object 2 is a bytes: b'red'. Decode it: value.decode\('utf-8'\)"),
        (float("nan"), TypeError, "object 2 is a float: nan. NaN is how pandas marks a missing"),
        (7, TypeError, "object 2 is a int: 7. Give the text itself"),
        (["red"], TypeError, r"object 2 is a list: \['red'\]. Give the text itself"),
        (np.bytes_(b"red"), TypeError, "object 2 is a bytes_"),
        (
            "red \ud83d house",
            ValueError,
            r"object 2 contains a lone surrogate, U\+D83D, at char.* 4",
        ),
    ],
)
def test_what_is_no_text_is_named_with_its_position(encoder, value, error, message):
    with pytest.raises(error, match=message):
        embed(encoder, ["red", "house", value])


def test_the_way_out_for_a_surrogate_works(encoder):
    broken = "red \ud83d house \ud83d\ude00"
    repaired = broken.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert repaired == "red \ufffd house 😀"
    assert torch.isfinite(embed(encoder, [repaired])).all()


def test_strings_of_other_classes_are_texts(encoder):
    embeddings = embed(encoder, ["red house", np.str_("red house"), Title("red house")])
    for row in embeddings[1:]:
        torch.testing.assert_close(row, embeddings[0])


def test_texts_without_words_have_a_finite_embedding(encoder):
    texts = ["", "   ", "\t\n", "\x00\x07", "\u200b", "\u2028", "☃"]
    embeddings = embed(encoder, texts)
    assert torch.isfinite(embeddings).all()
    for row, text in zip(embeddings, texts, strict=True):
        torch.testing.assert_close(row, embed(encoder, [text])[0])


def test_no_texts_give_no_rows(encoder):
    model = SimilarityModel(encoder, EmptyHead(encoder.embedding_size))
    assert model.encode([]).shape == (0, encoder.embedding_size)


# Texts that are longer than a model reads.


def test_truncation_is_told_once_with_what_is_lost(tiny_folder):
    encoder = SentenceTransformerEncoder(tiny_folder, max_seq_length=8)  # with [CLS] and [SEP]
    model = SimilarityModel(encoder, EmptyHead(6))
    texts = ["a red house", "very " * 10, "green", "very " * 20]  # 5, 12, 3, 22 tokens
    with pytest.warns(TruncationWarning) as caught:
        model.encode(texts, batch_size=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.encode(texts, batch_size=2)
    (warning,) = [w for w in caught if w.category is TruncationWarning]
    assert str(warning.message).startswith("2 of 4 texts (50%) are longer than the 8 tokens")
    assert "43% of all tokens are lost" in str(warning.message)  # 4 + 14 of 42


def test_a_text_that_just_fits_is_not_cut_off(tiny_folder):
    encoder = SentenceTransformerEncoder(tiny_folder, max_seq_length=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embed(encoder, ["a red house", "green"])


def test_truncation_is_told_once_by_several_workers(tiny_folder, monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")  # no warning of threads in a fork
    encoder = SentenceTransformerEncoder(tiny_folder, max_seq_length=4)
    for _ in range(2):
        loader = torch.utils.data.DataLoader(
            ["very long long house"] * 4, 2, collate_fn=encoder.get_collate_fn(), num_workers=1
        )
        assert len(list(loader)) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a worker told it already
        embed(encoder, ["very long long house"])


SIZES = {
    "vocab_size": 13, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 16, "max_position_embeddings": 24,
}  # fmt: skip
CONFIGS = {
    "bert": (transformers.BertConfig(**SIZES), 24),
    "roberta": (transformers.RobertaConfig(pad_token_id=1, **SIZES), 22),
    "mpnet": (transformers.MPNetConfig(pad_token_id=1, **SIZES), 22),
    "modernbert": (transformers.ModernBertConfig(pad_token_id=0, **SIZES), None),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_model_reads_as_many_tokens_as_it_has_positions(build, name):
    config, limit = CONFIGS[name]
    model = build(config)
    assert position_limit(model[0].model) == limit
    if limit is None:
        SentenceTransformerEncoder(model, max_seq_length=1000)
        return
    with pytest.raises(ValueError, match=f"learned positions for {limit} tokens only. Give at mo"):
        SentenceTransformerEncoder(model, max_seq_length=limit + 1)
    encoder = SentenceTransformerEncoder(model, max_seq_length=limit).eval()
    with pytest.warns(TruncationWarning):
        assert torch.isfinite(embed(encoder, ["very " * 100])).all()


def test_a_limit_of_the_model_above_its_positions_is_lowered(build):
    model = build(CONFIGS["roberta"][0])
    model.max_seq_length = 10**9
    encoder = SentenceTransformerEncoder(model).eval()
    assert model.max_seq_length == 22
    with pytest.warns(TruncationWarning):
        embed(encoder, ["very " * 100])


def test_a_length_for_a_model_that_cuts_nothing_off_is_refused():
    model = SentenceTransformer(modules=[BoW(["red", "green"])], device="cpu")
    with pytest.raises(ValueError, match="does not cut texts off: its modules are BoW"):
        SentenceTransformerEncoder(model, max_seq_length=8)


# Arguments.


def test_all_wrong_arguments_are_named_at_once_before_the_model_is_opened():
    with pytest.raises(ValueError, match="max_seq_length") as caught:
        SentenceTransformerEncoder(
            "no/such/model", trainable="no", max_seq_length=0, prompt=3, prompts=["query: "],
            precision="half", train_layers=-1, lora="r8", layers=2.5, pooling="average",
        )  # fmt: skip
    lines = str(caught.value).splitlines()
    for name in (
        "Expected trainable to", "Expected max_seq_length to", "Expected prompt to",
        "Expected prompts to", "Expected precision to", "Expected train_layers to",
        "Expected lora to", "Expected layers to", "Expected pooling to",
        "Expected train_layers or lora",
    ):  # fmt: skip
        assert sum(line.startswith(name) for line in lines) == 1, name


def test_all_that_does_not_fit_the_model_is_named_at_once(tiny_folder):
    with pytest.raises(ValueError, match="layers to be between") as caught:
        SentenceTransformerEncoder(
            tiny_folder, layers=9, pooling=["mean", "max"], max_seq_length=99, train_layers=7
        )
    message = str(caught.value)
    assert "Expected layers to be between 1 and the model's 2 layers, got 9" in message
    assert "makes embeddings of size 16, but the model's Dense after it takes 8" in message
    assert "learned positions for 64 tokens only" in message
    assert "train_layers to be between 1 and the model's 2 layers, got 7" in message
