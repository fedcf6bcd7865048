"""Tests that programs of torch.export give the embeddings of their models."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from quaterion_core import SimilarityModel
from quaterion_core.heads import EmptyHead
from quaterion_cv.encoders import TimmEncoder
from quaterion_serving import ExportedModelError, TorchModel, export_torch
from quaterion_serving.exported.files import PROGRAM_FILE


def test_a_model_of_texts_gives_the_same_embeddings(transformer_model, tmp_path, texts):
    report = export_torch(transformer_model, tmp_path / "exported")
    assert report.deviation < 1e-5
    exported = TorchModel(tmp_path / "exported")
    for batch_size in (1, 4):
        np.testing.assert_allclose(
            exported.encode(texts, batch_size), transformer_model.encode(texts), atol=1e-5
        )


def test_a_model_of_images_gives_the_same_embeddings(tmp_path):
    torch.manual_seed(0)
    encoder = TimmEncoder("test_resnet", pretrained=False, image_size=32)
    model = SimilarityModel(encoder, EmptyHead(encoder.embedding_size))
    assert export_torch(model, tmp_path / "exported", normalize=True).deviation < 1e-5
    assert TorchModel(tmp_path / "exported").check() < 1e-5


def test_another_kind_and_a_broken_program_are_refused(static_model, static_export, tmp_path):
    with pytest.raises(ExportedModelError, match="exported to onnx, not to torch-export"):
        TorchModel(static_export)
    export_torch(static_model, tmp_path / "exported")
    (tmp_path / "exported" / PROGRAM_FILE).write_bytes(b"0")
    with pytest.raises(ExportedModelError, match=r"model\.pt2 cannot be loaded"):
        TorchModel(tmp_path / "exported")
