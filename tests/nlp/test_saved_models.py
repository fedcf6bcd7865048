"""Saved sentence-transformers models: what loads, what is refused, and what never runs."""

import json
import logging
import os
import pickle
import shutil
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    BoW,
    Dense,
    LayerNorm,
    Normalize,
    Pooling,
    Router,
    StaticEmbedding,
    WordEmbeddings,
)
from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn

from quaterion_core import SimilarityModel
from quaterion_core.dataset import Document, Query
from quaterion_core.storage import InvalidFolderError, NotSavableError, open_saved_folder
from quaterion_nlp import FasttextEncoder, SentenceTransformerEncoder, StaticEncoder
from quaterion_nlp.saved.regular_expressions import check_regular_expression

TEXTS = ["delete a file", "open", ""]


class Bomb:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def saved(tiny_folder, tmp_path):
    SentenceTransformerEncoder(tiny_folder).save(tmp_path)
    return tmp_path


def edit(file, change):
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))


def embed(encoder, texts=TEXTS):
    encoder.eval()
    with torch.no_grad():
        return encoder(encoder.get_collate_fn()(texts))


def test_keyword_arguments_of_loaders_are_refused_and_a_pickle_is_not_opened(saved, tmp_path):
    marker = tmp_path / "executed"
    model = saved / "model"
    weights = list(load_file(model / "model.safetensors"))
    (model / "model.safetensors").unlink()
    (model / "weights.dat").write_bytes(pickle.dumps(Bomb(marker)))
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, "weights.dat")}
    (model / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    options = {"weights_only": False, "use_safetensors": False}
    edit(model / "sentence_bert_config.json", lambda c: c.update(model_kwargs=options))
    with pytest.raises(InvalidFolderError):
        SentenceTransformerEncoder.load(saved)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("sentence_bert_config.json", "model_kwargs", {"weights_only": False}),
        ("sentence_bert_config.json", "tokenizer_name_or_path", "/etc"),
        ("sentence_bert_config.json", "max_seq_length", 10**9),
        ("config.json", "auto_map", {"AutoModel": "evil.Evil"}),
        ("config.json", "_name_or_path", "evil/evil"),
        ("config.json", "quantization_config", {"quant_method": "awq"}),
        ("config.json", "_attn_implementation", "evil/kernel"),
        ("config.json", "transformers_weights", "weights.dat"),
        ("config.json", "model_type", "evil"),
        ("config.json", "architectures", ["BertForMaskedLM"]),
        ("config.json", "architectures", ["os"]),
        ("config.json", "num_hidden_layers", 10**9),
        ("config.json", "num_hidden_layers", 9_000_000),
        ("config.json", "hidden_size", 10**6),
        ("config.json", "vocab_size", 9_000_000),
        ("config.json", "dtype", "float64"),
        ("config.json", "dtype", "__import__"),
        ("config.json", "unknown", 1),
        ("tokenizer_config.json", "auto_map", {"AutoTokenizer": ["evil.Evil", None]}),
        ("tokenizer_config.json", "tokenizer_class", "../Evil"),
        ("tokenizer_config.json", "tokenizer_file", "/etc/passwd"),
        ("tokenizer_config.json", "pad_to_multiple_of", 10**9),
        ("tokenizer_config.json", "chat_template", "{{ 1 }}"),
        ("config_sentence_transformers.json", "requirements", ["evil"]),
        ("config_sentence_transformers.json", "truncate_dim", "4"),
        ("1_Pooling/config.json", "pooling_mode", "evil"),
        ("1_Pooling/config.json", "pooling_mode", []),
        ("1_Pooling/config.json", "pooling_mode_mean_tokens", True),
        ("tokenizer.json", "unknown", 1),
        ("tokenizer.json", "version", "2.0"),
    ],
)  # fmt: skip
def test_entries_that_saving_does_not_write_are_refused(saved, file, key, value):
    edit(saved / "model" / file, lambda config: config.update({key: value}))
    with pytest.raises(InvalidFolderError):
        SentenceTransformerEncoder.load(saved)


@pytest.mark.parametrize("part", ["normalizer", "pre_tokenizer"])
def test_a_tokenizer_that_takes_exponential_time_is_refused(saved, part):
    pattern = {"Regex": "(a+)+$"}
    steps = {
        "normalizer": {"type": "Replace", "pattern": pattern, "content": ""},
        "pre_tokenizer": {
            "type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False,
        },
    }  # fmt: skip
    edit(saved / "model" / "tokenizer.json", lambda value: value.update({part: steps[part]}))
    with pytest.raises(InvalidFolderError, match="exponential"):
        SentenceTransformerEncoder.load(saved)


def test_a_tokenizer_that_blows_texts_up_is_refused(saved):
    step = {"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaaaa"}
    chain = {"type": "Sequence", "normalizers": [step] * 5}
    edit(saved / "model" / "tokenizer.json", lambda value: value.update(normalizer=chain))
    with pytest.raises(InvalidFolderError, match="as long"):
        SentenceTransformerEncoder.load(saved)


@pytest.mark.parametrize(
    "pattern",
    [
        r"'s|'t|'re| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{M}]+(?i:'s|'t|'re)?|\p{N}{1,3}",
        r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+| ?[\p{P}\p{S}]+[\r\n]*",
        r"\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$))", r" ?[^(\s|[.,!?…。，、।۔،])]+",
        r"[(+*)]+", r"\(a+\)+", "(ab)+", " {2,}", "(?i)a|b", "", "{}", "a{", "[[:punct:]]",
    ],
)  # fmt: skip
def test_regular_expressions_of_published_tokenizers_are_allowed(pattern):
    check_regular_expression(pattern, "tokenizer.json")


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+", "(a*)*b", "(a|a)*", "((a+)b?)+", "(?:x+x+)+y", r"(a)\1", "(a{2,}){3,}",
        "a*a*a*a*a*b", "(a{1,30}){1,30}", "a{1,2}*b", "a?" * 30 + "b", "(a|a)" * 30, "(?=a+)+",
    ],
)  # fmt: skip
def test_regular_expressions_that_take_exponential_time_are_refused(pattern):
    with pytest.raises(InvalidFolderError):
        check_regular_expression(pattern, "tokenizer.json")


@pytest.mark.parametrize(
    "pattern",
    [
        "(?#[)(a+)+b(?#])", r"\c[(a+)+b]", "(?x)(a+ #)\n)+b", "a(?i)b|c", "(?~ab)", "(a)?(?(1)b|c)",
        r"(?<n>a|\g<n>)", r"\k<n>", r"\Qa\E", "[]a]", "[a", "(a", "a)", "*a", "a**", "(?:)*", "\\",
        "a{5,1}", "a{9999}", "((((a{1000}){1000}){1000}){1000})", "(" * 30 + ")" * 30,
    ],
)  # fmt: skip
def test_what_regular_expressions_of_tokenizers_are_not_made_of_is_refused(pattern):
    with pytest.raises(InvalidFolderError):
        check_regular_expression(pattern, "tokenizer.json")


def test_a_text_that_a_tokenizer_cannot_read_is_an_error_that_can_be_caught():
    model = models.Unigram([("a", -1.0)])  # without a token for unknown words
    encoder = StaticEncoder(Tokenizer(model), embedding_size=2)
    with pytest.raises(ValueError, match="tokenizer of StaticEncoder cannot tokenize a text"):
        embed(encoder, ["b"])


def test_missing_surplus_and_retyped_weights_are_refused(saved):
    file = saved / "model" / "model.safetensors"
    tensors = load_file(file)
    names = list(tensors)
    changed = {
        "half": {name: tensors[name] for name in names[::2]},
        "surplus": {**tensors, "surplus": torch.zeros(1)},
        "retyped": {**tensors, names[0]: tensors[names[0]].half()},
        "renamed": {f"{name}_": value for name, value in tensors.items()},
        "reshaped": {**tensors, names[0]: tensors[names[0]].unsqueeze(0)},
        "all in half": {name: value.half() for name, value in tensors.items()},
    }
    for what, values in changed.items():
        save_file(values, file, metadata={"format": "pt"})
        with pytest.raises(InvalidFolderError):
            pytest.fail(f"{what}: {SentenceTransformerEncoder.load(saved)}")
    save_file(tensors, file, metadata={"format": "pt"})
    SentenceTransformerEncoder.load(saved)


def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(
    saved, tiny_folder, tmp_path_factory
):
    encoder = SentenceTransformerEncoder(tiny_folder)
    next(encoder.parameters()).data[0, 0] = float("nan")
    with pytest.raises(NotSavableError, match="NaN"):
        encoder.save(tmp_path_factory.mktemp("diverged"))
    file = saved / "model" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-4:] = struct.pack("<f", float("inf"))
    file.write_bytes(bytes(data))
    with pytest.raises(InvalidFolderError, match="NaN or infinity"):
        SentenceTransformerEncoder.load(saved)


@pytest.mark.parametrize(
    "kind",
    [
        "os.system", "torch.nn.modules.activation.Tanh", "sentence_transformers.util.http_get",
        "sentence_transformers.models.Asym", "sentence_transformers.CrossEncoder",
    ],
)  # fmt: skip
def test_modules_come_from_a_table(saved, kind):
    edit(saved / "model" / "modules.json", lambda modules: modules[1].update(type=kind))
    with pytest.raises(InvalidFolderError):
        SentenceTransformerEncoder.load(saved)


@pytest.mark.parametrize("activation", ["os.system", "torch.hub.load", "torch.nn.Tanh", "evil"])
def test_activations_come_from_a_table(activation, tmp_path):
    model = SentenceTransformer(modules=[BoW(["a", "b"]), Dense(2, 3)], device="cpu")
    SentenceTransformerEncoder(model).save(tmp_path)
    file = tmp_path / "model" / "1_Dense" / "config.json"
    edit(file, lambda config: config.update(activation_function=activation))
    with pytest.raises(InvalidFolderError, match="activation"):
        SentenceTransformerEncoder.load(tmp_path)


def _tokenizer():
    tokenizer = Tokenizer(models.WordLevel({"delete": 0, "file": 1, "[UNK]": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def _words():
    words = WhitespaceTokenizer(vocab=["delete", "file", "open"], stop_words=[])
    return WordEmbeddings(words, torch.randn(3, 4))


@pytest.mark.parametrize(
    "modules",
    [
        lambda: [BoW(["delete", "file"], unknown_word_weight=0.5), Normalize()],
        lambda: [StaticEmbedding(_tokenizer(), embedding_dim=4), Dense(4, 3, bias=False)],
        lambda: [_words(), Pooling(4, "max"), LayerNorm(4)],
        lambda: [
            Router.for_query_document(
                query_modules=[StaticEmbedding(_tokenizer(), embedding_dim=4)],
                document_modules=[
                    StaticEmbedding(_tokenizer(), embedding_dim=4),
                    Dense(4, 4, activation_function=nn.ReLU()),
                ],
            ),
            Normalize(),
        ],
    ],
)
def test_modules_of_the_table_are_loaded_bit_for_bit(modules, tmp_path):
    encoder = SentenceTransformerEncoder(SentenceTransformer(modules=modules(), device="cpu"))
    encoder.save(tmp_path)
    loaded = SentenceTransformerEncoder.load(tmp_path)
    for texts in (["delete file", "file open"], [Query("delete file"), Document("file")]):
        assert torch.equal(embed(loaded, texts), embed(encoder, texts))


def test_a_module_of_another_package_is_not_saved(tmp_path):
    class Mine(Normalize):
        pass

    model = SentenceTransformer(modules=[BoW(["a"]), Mine()], device="cpu")
    with pytest.raises(NotSavableError, match="A Mine of a SentenceTransformer"):
        SentenceTransformerEncoder(model).save(tmp_path)


@pytest.mark.parametrize(
    "prompts",
    [
        {"prompt": "say: "},
        {"prompts": {"query": "q: ", "document": "d: "}},
        {"prompt": "say: ", "prompts": {"query": "q: "}},
        {"prompt": ""},
    ],
)
def test_sentence_transformers_embeds_with_the_prompts_of_the_encoder(
    tiny_folder, tmp_path, prompts
):
    encoder = SentenceTransformerEncoder(tiny_folder, **prompts)
    encoder.save(tmp_path)
    inner = SentenceTransformer(str(tmp_path / "model"), device="cpu", local_files_only=True)
    texts = ["delete a file", "open the folder"]
    pairs = [
        (inner.encode_query(texts), [Query(text) for text in texts]),
        (inner.encode_document(texts), [Document(text) for text in texts]),
    ]
    if "prompt" in prompts:
        pairs.append((inner.encode(texts), texts))
    loaded = SentenceTransformerEncoder.load(tmp_path)
    for theirs, ours in pairs:
        np.testing.assert_allclose(theirs, embed(encoder, ours).numpy(), atol=1e-6)
        assert torch.equal(embed(loaded, ours), embed(encoder, ours))


def test_nothing_of_transformers_is_left_in_the_folder_for_temporary_files(saved, tmp_path):
    private = tmp_path / "private"
    private.mkdir()
    import tempfile

    before, tempfile.tempdir = tempfile.tempdir, str(private)
    try:
        SentenceTransformerEncoder.load(saved)
    finally:
        tempfile.tempdir = before
    assert list(private.iterdir()) == []


def test_a_static_encoder_with_a_huge_id_or_size_takes_no_memory(tmp_path):
    StaticEncoder.from_data(["a b", "b c"], vocab_size=260, embedding_size=4).save(tmp_path)
    added = {
        "id": 9_999_999, "content": "x", "single_word": False, "lstrip": False, "rstrip": False,
        "normalized": True, "special": False,
    }  # fmt: skip
    before = (tmp_path / "tokenizer.json").read_text()
    edit(tmp_path / "tokenizer.json", lambda value: value["added_tokens"].append(added))
    with pytest.raises(InvalidFolderError):
        StaticEncoder.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text(before)
    edit(tmp_path / "config.json", lambda config: config.update(embedding_size=10**7))
    with pytest.raises(InvalidFolderError, match="does not fit StaticEncoder"):
        StaticEncoder.load(tmp_path)


def test_only_opened_folders_are_read(saved):
    with open_saved_folder(saved) as folder:
        assert isinstance(SentenceTransformerEncoder.load_from(folder), SentenceTransformerEncoder)


def test_of_a_model_that_the_user_names_only_safetensors_are_opened(tiny_folder, tmp_path):
    marker = tmp_path / "executed"
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(marker)))
    options = {"weights_only": False, "use_safetensors": False}
    edit(folder / "sentence_bert_config.json", lambda c: c.update(model_kwargs=options))
    with pytest.raises(ValueError, match="cannot be opened"):
        SentenceTransformerEncoder(folder)
    assert not marker.exists()


def test_of_a_model_that_the_user_names_no_weights_of_a_module_are_a_pickle(tiny_folder, tmp_path):
    model = SentenceTransformer(str(tiny_folder), device="cpu")
    model.append(Dense(model.get_embedding_dimension(), 4))
    model.save(str(tmp_path / "model"))
    dense = max((tmp_path / "model").glob("*_Dense"))
    torch.save(load_file(dense / "model.safetensors"), dense / "pytorch_model.bin")
    SentenceTransformerEncoder(tmp_path / "model")
    (dense / "model.safetensors").unlink()
    with pytest.raises(
        ValueError, match=r"pytorch_model.bin is no safetensors file.*save it again"
    ):
        SentenceTransformerEncoder(tmp_path / "model")


@pytest.mark.parametrize("file", ["config.json", "sentence_bert_config.json"])
def test_of_a_model_that_the_user_names_no_kernel_is_fetched(tiny_folder, tmp_path, file):
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    options = {"model_kwargs": {"attn_implementation": "evil/kernel"}}
    edit(folder / file, lambda config: config.update(options))
    with pytest.raises(ValueError, match="names the attention 'evil/kernel'"):
        SentenceTransformerEncoder(folder)


def test_a_model_that_does_not_cut_texts_off_before_its_last_position_is_refused(saved):
    options = {"processing_kwargs": {"text": {"truncation": False}}}
    edit(saved / "model" / "sentence_bert_config.json", lambda config: config.update(options))
    with pytest.raises(InvalidFolderError, match="embeds no text"):
        SentenceTransformerEncoder.load(saved)


@pytest.mark.parametrize(
    "name",
    ["hf://evil/evil", "a\0b", "x" * 5000, "\x1b[31mred", "", "\ud800", "/dev/zero"],
    ids=["scheme", "null", "long", "control", "empty", "surrogate", "device"],
)
def test_names_that_are_neither_models_nor_files_are_refused(name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # Warnings of other libraries show the name, which a report of a test cannot hold.
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)
    attempts = [
        lambda: SentenceTransformerEncoder(name),
        lambda: StaticEncoder.from_data(["a b"], tokenizer=name),
        lambda: FasttextEncoder(name),
        lambda: SimilarityModel.load(name),
    ]
    for attempt in attempts:
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            attempt()
        assert len(str(caught.value)) > 20
        assert "\x1b" not in str(caught.value)
        assert "\0" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_of_word_vectors_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "vectors.bin")
    with pytest.raises(FileNotFoundError, match="no file"):
        FasttextEncoder(tmp_path / "vectors.bin")
