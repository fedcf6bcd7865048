"""Tests of int8 weights, and of what is said of their cost."""

from __future__ import annotations

import json
import re

import onnx
import pytest
import torch
from click.testing import CliRunner

from quaterion_core import SimilarityModel, evaluate_recipe
from quaterion_core.cli import main
from quaterion_core.heads import LinearProjectionHead
from quaterion_serving import ExportError, export_onnx
from quaterion_serving.onnx_runner import OnnxModel

PAIRS = [("delete a file", "remove a file"), ("open a folder", "show a folder"), ("a", "b")]
COLUMNS = {"obj_a": "question", "obj_b": "answer"}


@pytest.fixture(scope="module")
def model(new_static):
    torch.manual_seed(0)
    return SimilarityModel(new_static(), LinearProjectionHead(8, 64)).eval()


@pytest.fixture
def data(tmp_path):
    rows = [{"question": question, "answer": answer} for question, answer in PAIRS]
    (tmp_path / "faq.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "faq.jsonl"


def test_weights_become_int8_and_their_cost_is_measured(model, data, tmp_path):
    folder = tmp_path / "exported"
    report = export_onnx(model, folder, int8=True, data=data, columns=COLUMNS, max_loss=1)
    expected = evaluate_recipe(
        model, data=data, columns=COLUMNS, metrics=[{"name": "retrieval-precision", "k": 1}]
    ).metrics
    assert {report.metric: report.float32} == expected
    assert 0 <= report.int8 <= 1
    types = {tensor.data_type for tensor in onnx.load(folder / "model.onnx").graph.initializer}
    assert onnx.TensorProto.INT8 in types
    settings = json.loads((folder / "export.json").read_text())
    assert settings["int8"] is True
    assert settings["notes"]["quality"]["int8"] == report.int8
    assert OnnxModel(folder).check() < 0.01


def test_groups_are_measured_by_recall(model, tmp_path):
    rows = [{"text": text, "kind": kind} for kind, pair in enumerate(PAIRS) for text in pair]
    (tmp_path / "groups.jsonl").write_text("\n".join(map(json.dumps, rows)))
    report = export_onnx(
        model, tmp_path / "exported", int8=True, max_loss=1,
        data=tmp_path / "groups.jsonl", columns={"obj": "text", "group": "kind"},
    )  # fmt: skip
    assert report.metric == "recall_at_k@1"


def test_a_larger_loss_leaves_nothing_behind(model, data, tmp_path, monkeypatch):
    measured = iter([0.75, 0.5])

    def evaluated(_, given):
        metrics = {"retrieval_precision@1": next(measured)}
        return type("Result", (), {"metrics": metrics, "queries": 3})

    monkeypatch.setattr("quaterion_serving.export.quantization.evaluated", evaluated)
    with pytest.raises(ExportError, match=r"from 0\.7500 to 0\.5000, by 0\.2500, more than"):
        export_onnx(
            model, tmp_path / "exported", int8=True, data=data, columns=COLUMNS, max_loss=0.2
        )
    assert [path.name for path in tmp_path.iterdir()] == ["faq.jsonl"]


def test_the_command_prints_both_figures(model, data, tmp_path):
    model.save(tmp_path / "model")
    result = CliRunner().invoke(
        main,
        ["export", str(tmp_path / "model"), "-o", str(tmp_path / "exported"), "--int8",
         "--data", str(data), "--column", "obj_a=question", "--column", "obj_b=answer",
         "--max-loss", "1"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert re.search(r"retrieval_precision@1: [\d.]+ with float32, [\d.]+ with int8", result.output)
    assert "depends, slightly, on its batch" in result.output
