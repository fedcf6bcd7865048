"""Tests that the runner needs no torch, and trusts no folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest

from quaterion_serving.exported.external_data import check_no_external_data
from quaterion_serving.onnx_runner import ExportedModelError, OnnxModel

SCRIPT = """
import json, sys
from quaterion_serving.onnx_runner import OnnxModel

embeddings = OnnxModel(sys.argv[1]).encode(json.loads(sys.argv[2]))
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"torch", "quaterion_core", "transformers", "PIL", "pydantic"}, loaded
print(json.dumps(embeddings.tolist()))
"""


@pytest.fixture
def folder(static_export, tmp_path):
    """A copy of an exported model, to be changed."""
    return shutil.copytree(static_export, tmp_path / "copy")


def test_it_runs_without_torch_and_without_the_core(static_export, static_model, texts):
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(static_export), json.dumps(texts)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    np.testing.assert_allclose(
        json.loads(result.stdout), static_model.encode(texts), atol=1e-5, rtol=0
    )


def test_golden_vectors_tell_another_graph(folder, static_model):
    assert OnnxModel(folder).check() < 1e-5
    graph = onnx.load(folder / "model.onnx")
    weight = next(w for w in graph.graph.initializer if list(w.dims) == [4, 8] or w.dims == [8, 4])
    changed = onnx.numpy_helper.to_array(weight) * 1.01
    weight.CopyFrom(onnx.numpy_helper.from_array(changed, weight.name))
    onnx.save(graph, folder / "model.onnx")
    with pytest.raises(ExportedModelError, match=r"sample \d differs by .* more than 1e-05"):
        OnnxModel(folder).check()


def test_notes_may_be_added_but_no_other_file(folder):
    (folder / "README.md").write_text("A model.")
    OnnxModel(folder)
    (folder / "weights.bin").write_bytes(b"0")
    with pytest.raises(ExportedModelError, match=r"weights\.bin is no file of an exported model"):
        OnnxModel(folder)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "export.json"])
def test_links_are_refused(folder, tmp_path, name):
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(ExportedModelError, match="is no regular file"):
        OnnxModel(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_pipes_are_refused_at_once(folder):
    (folder / "golden.json").unlink()
    os.mkfifo(folder / "golden.json")
    with pytest.raises(ExportedModelError, match="is no regular file"):
        OnnxModel(folder)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "export.json"])
@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff", b'{"a": NaN}', b"[" * 100_000])
def test_broken_files_are_refused(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(ExportedModelError, match=name):
        OnnxModel(folder)


def test_missing_files_are_named(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ExportedModelError, match=r"tokenizer\.json cannot be read"):
        OnnxModel(folder)
    with pytest.raises(ExportedModelError, match="cannot be opened as a folder"):
        OnnxModel(folder / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "is no exported model"),
        ({"format_version": 2}, "format version 2"),
        ({"kind": "torch-export"}, "exported to torch-export, not to onnx"),
        ({"kind": "other"}, "'kind' of the file .* one of onnx, torch-export, got 'other'"),
        ({"embedding_size": 0}, "'embedding_size' .* an integer from 1"),
        ({"embedding_size": True}, "'embedding_size'"),
        ({"encoders": {}}, "Expected 1 to 16 encoders"),
        ({"encoders": {"default": []}}, "to be a JSON object"),
    ],
)
def test_wrong_settings_are_named(folder, change, message):
    settings = json.loads((folder / "export.json").read_text())
    (folder / "export.json").write_text(json.dumps({**settings, **change}))
    with pytest.raises(ExportedModelError, match=message):
        OnnxModel(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokenizer": "../tokenizer.json"}, r"one of tokenizer\.json, got '\.\./tokenizer"),
        ({"inputs": {"input_ids": "other"}}, "does not fit its settings"),
        ({"inputs": {"other": "input_ids"}}, "'inputs' of encoder 'default'"),
        ({"special_tokens": 1}, "true or false, got 1"),
        ({"prompts": {"other": "a"}}, "prompts of query and document"),
        ({"kind": "image"}, "'input' of encoder 'default'"),
    ],
)
def test_wrong_settings_of_an_encoder_are_named(folder, change, message):
    settings = json.loads((folder / "export.json").read_text())
    settings["encoders"]["default"].update(change)
    (folder / "export.json").write_text(json.dumps(settings))
    with pytest.raises(ExportedModelError, match=message):
        OnnxModel(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"samples": []},
        {"samples": [{"text": 3, "role": None}]},
        {"samples": [{"image": "***"}]},
        {"embeddings": [["a"]]},
        {"tolerance": 5.0},
    ],
)
def test_wrong_golden_vectors_are_refused(folder, change):
    golden = json.loads((folder / "golden.json").read_text())
    (folder / "golden.json").write_text(json.dumps({**golden, **change}))
    with pytest.raises(ExportedModelError, match="does not contain golden vectors"):
        OnnxModel(folder).check()


def with_external_weight(graph):
    tensor = graph.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    return graph


def in_constant(graph):
    """Put a tensor of another file into a node of a branch."""
    tensor = onnx.TensorProto(name="t", data_type=1, dims=[1])
    tensor.external_data.add(key="location", value="../secret")
    inner = onnx.helper.make_graph(
        [onnx.helper.make_node("Constant", [], ["c"], value=tensor)], "branch", [], []
    )
    node = onnx.helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    graph.graph.node.append(node)
    return graph


def in_function(graph):
    tensor = onnx.TensorProto(name="t", data_type=1, dims=[1])
    tensor.external_data.add(key="location", value="../secret")
    node = onnx.helper.make_node("Constant", [], ["c"], value=tensor)
    graph.functions.append(onnx.helper.make_function("d", "f", [], ["c"], [node], []))
    return graph


@pytest.mark.parametrize("change", [with_external_weight, in_constant, in_function])
def test_a_graph_that_refers_to_other_files_is_refused(folder, change):
    path = folder / "model.onnx"
    check_no_external_data(path.read_bytes(), "model.onnx")
    path.write_bytes(change(onnx.load(path)).SerializeToString())
    with pytest.raises(ExportedModelError, match="refers to data in other files"):
        OnnxModel(folder)


def test_objects_that_are_no_texts_are_named(static_export):
    exported = OnnxModel(static_export)
    with pytest.raises(TypeError, match=r"Expected texts, got a int as object 1: 3"):
        exported.encode(["a", 3])
    with pytest.raises(ValueError, match="batch_size to be at least 1, got 0"):
        exported.encode(["a"], 0)
