"""Tests that sentence-transformers opens what is exported for it, with the same embeddings."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from torch import nn

from quaterion_core import SimilarityModel
from quaterion_core.dataset import Document, Query
from quaterion_core.heads import (
    EmptyHead,
    GatedHead,
    LinearProjectionHead,
    SequentialHead,
    SkipConnectionHead,
    SoftmaxEmbeddingsHead,
    StackedProjectionHead,
)
from quaterion_cv.encoders import TimmEncoder
from quaterion_cv.heads import BNNeckHead
from quaterion_nlp.encoders import SentenceTransformerEncoder
from quaterion_nlp.heads import NormalizedProjectionHead
from quaterion_serving import ExportError, export_sentence_transformers


def opened(folder):
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def module_types(folder):
    return [entry["type"] for entry in json.loads((folder / "modules.json").read_text())]


def random_norm():
    head = BNNeckHead(8)
    head.norm.running_mean.normal_()
    head.norm.running_var.uniform_(0.5, 2)
    return head


HEADS = {
    "": lambda: EmptyHead(8),
    "Dense": lambda: LinearProjectionHead(8, 4),
    "Dense ": lambda: GatedHead(8),
    "Dense  ": lambda: SkipConnectionHead(8, n_layers=3, skip_dropout=0.5),
    "Dense   ": random_norm,
    "Dense Normalize": lambda: NormalizedProjectionHead(8, 4, bias=False),
    "Dense Dense": lambda: StackedProjectionHead(8, [6, 4], activation_fn="tanh"),
    "Dense LayerNorm Dense": lambda: SequentialHead(
        nn.ReLU(inplace=True), nn.LayerNorm(8), nn.Linear(8, 6), GatedHead(6), output_size=6
    ),
}


@pytest.mark.parametrize("modules", HEADS)
def test_a_head_becomes_modules(modules, new_static, tmp_path, texts):
    torch.manual_seed(0)
    model = SimilarityModel(new_static(length=2.0), HEADS[modules]()).eval()
    report = export_sentence_transformers(model, tmp_path / "exported")
    np.testing.assert_allclose(
        opened(tmp_path / "exported").encode(texts), model.encode(texts), atol=1e-5
    )
    assert report.deviation < 1e-5
    expected = ["StaticEmbedding", "Normalize", "Dense", *modules.split()]
    assert module_types(tmp_path / "exported") == [
        f"sentence_transformers.models.{name}" for name in expected
    ]
    weights = {path.suffix for path in (tmp_path / "exported").rglob("*") if path.is_file()}
    assert weights == {".json", ".safetensors"}


def test_a_transformer_keeps_its_prompts(transformer_model, tmp_path, texts):
    folder = tmp_path / "exported"
    report = export_sentence_transformers(transformer_model, folder)
    assert report.inference_server is None
    exported = opened(folder)
    long = [*texts, "open a file " * 40]
    np.testing.assert_allclose(exported.encode(long), transformer_model.encode(long), atol=1e-5)
    for encode, kind in ((exported.encode_query, Query), (exported.encode_document, Document)):
        expected = transformer_model.encode([kind(text) for text in long])
        np.testing.assert_allclose(encode(long), expected, atol=1e-5)
    config = json.loads((folder / "config_sentence_transformers.json").read_text())
    assert config["prompts"]["query"] == "query: "
    assert config["prompts"][config["default_prompt_name"]] == "a "


def test_files_have_the_names_that_other_servers_read(transformer_folder, tmp_path):
    encoder = SentenceTransformerEncoder(transformer_folder)
    model = SimilarityModel(encoder, LinearProjectionHead(8, 4, bias=False))
    folder = tmp_path / "exported"
    report = export_sentence_transformers(model, folder, normalize=True)
    assert report.inference_server is None
    assert module_types(folder) == [
        f"sentence_transformers.models.{name}"
        for name in ("Transformer", "Pooling", "Normalize", "Dense", "Normalize")
    ]
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    assert pooling["pooling_mode_mean_tokens"] is True
    assert pooling["pooling_mode_cls_token"] is False
    dense = json.loads((folder / "3_Dense" / "config.json").read_text())
    assert dense["activation_function"] == "torch.nn.modules.linear.Identity"
    assert (dense["in_features"], dense["out_features"], dense["bias"]) == (8, 4, False)
    settings = json.loads((folder / "sentence_bert_config.json").read_text())
    assert settings["max_seq_length"] == 32
    assert {"config.json", "tokenizer.json", "model.safetensors"} < {
        path.name for path in folder.iterdir()
    }


def test_what_another_server_does_differently_is_said(transformer_folder, new_static, tmp_path):
    encoder = SentenceTransformerEncoder(transformer_folder)
    cases = {
        "normalise in front of a Dense": LinearProjectionHead(8, 4),
        "the activation ReLU": StackedProjectionHead(8, [4, 4]),
        "reads one Dense, but there are 2": StackedProjectionHead(8, [4, 4], activation_fn="tanh"),
    }
    said = [
        export_sentence_transformers(
            SimilarityModel(encoder, head), tmp_path / "exported", overwrite=True
        ).inference_server
        for head in cases.values()
    ]
    assert "normalise in front of a Dense" in said[0]
    assert "reads one Dense, but there are 2" in said[1]
    model = SimilarityModel(new_static(), EmptyHead(8))
    report = export_sentence_transformers(model, tmp_path / "static")
    assert "StaticEmbedding" in report.inference_server


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (SoftmaxEmbeddingsHead(2, 3, 8), "SoftmaxEmbeddingsHead cannot be expressed"),
        (SequentialHead(nn.Softmax(-1), output_size=8, input_embedding_size=8), r"layer Softmax"),
        (SequentialHead(nn.Linear(8, 8), nn.ELU(0.5), output_size=8), r"layer ELU\(alpha=0\.5\)"),
        (SequentialHead(nn.LayerNorm(8, eps=0.1), output_size=8), "layer LayerNorm"),
    ],
)
def test_a_head_without_a_counterpart_is_named(head, message, new_static, tmp_path):
    with pytest.raises(ExportError, match=rf"{message}.*--to onnx"):
        export_sentence_transformers(SimilarityModel(new_static(), head), tmp_path / "exported")
    assert list(tmp_path.iterdir()) == []


def test_reduced_hubness_has_no_counterpart(new_static, tmp_path, texts):
    model = SimilarityModel(new_static(), EmptyHead(8))
    model.reduce_hubness(texts, neighbors=2)
    with pytest.raises(ExportError, match="HubnessReductionHead cannot be expressed"):
        export_sentence_transformers(model, tmp_path / "exported")


def test_encoders_without_a_counterpart_are_named(new_static, tmp_path):
    two = SimilarityModel({"a": new_static(), "b": new_static()}, EmptyHead(16))
    with pytest.raises(ExportError, match=r"model of 2 encoders \(a, b\) has no counterpart"):
        export_sentence_transformers(two, tmp_path / "exported")
    images = TimmEncoder("test_resnet", pretrained=False)
    model = SimilarityModel(images, EmptyHead(images.embedding_size))
    with pytest.raises(ExportError, match=r"'default' \(TimmEncoder\) has no counterpart"):
        export_sentence_transformers(model, tmp_path / "exported")
