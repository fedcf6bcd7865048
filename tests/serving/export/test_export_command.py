"""Tests of `quaterion export`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from quaterion_core.cli import main
from quaterion_serving.onnx_runner import OnnxModel


@pytest.fixture
def run():
    def invoke(*arguments, code=0):
        result = CliRunner().invoke(main, ["export", *map(str, arguments)])
        assert result.exit_code == code, result.output
        return result.output

    return invoke


def test_a_saved_model_is_exported_and_checked(run, saved_static, static_model, tmp_path, texts):
    folder = tmp_path / "exported"
    (tmp_path / "samples.txt").write_text("open a file\ndelete a folder\n")
    output = run(saved_static, "-o", folder, "--samples", tmp_path / "samples.txt")
    assert f"Wrote {folder}. Golden vectors agree to" in output
    np.testing.assert_allclose(
        OnnxModel(folder).encode(texts), static_model.encode(texts), atol=1e-5
    )
    golden = json.loads((folder / "golden.json").read_text())
    assert [sample["text"] for sample in golden["samples"]] == ["open a file", "delete a folder"]
    assert "gives its golden vectors" in run(folder, "--check")


def test_a_check_that_fails_ends_with_an_error(run, static_export, tmp_path):
    golden = json.loads((static_export / "golden.json").read_text())
    golden["embeddings"][2][0] += 1
    for path in static_export.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "golden.json").write_text(json.dumps(golden))
    assert "sample 2 differs" in run(tmp_path, "--check", code=1)


def test_what_is_missing_is_said(run, saved_static, tmp_path):
    assert "-o DIR" in run(saved_static, code=2)
    assert "no such file" in run(tmp_path / "nowhere", "-o", tmp_path / "out", code=1)
    assert "int8 needs data" in run(saved_static, "-o", tmp_path / "out", "--int8", code=1)
    given = ("-o", tmp_path / "out", "--data", saved_static / "config.json")
    assert "are for --int8" in run(saved_static, *given, code=2)
    assert not (tmp_path / "out").exists()


def test_a_folder_for_sentence_transformers_is_written_and_checked(run, saved_static, tmp_path):
    folder = tmp_path / "exported"
    output = run(saved_static, "-o", folder, "--to", "sentence-transformers")
    assert f"Wrote {folder}. Golden vectors agree to" in output
    assert "text-embeddings-inference does not give the same embeddings" in output
    assert "gives its golden vectors" in run(folder, "--check")
    assert "already exists" in run(
        saved_static, "-o", folder, "--to", "sentence-transformers", code=1
    )
    run(saved_static, "-o", folder, "--overwrite")
    assert (folder / "model.onnx").exists()
    assert "--int8 is for --to onnx" in run(
        saved_static, "-o", folder, "--to", "sentence-transformers", "--int8", code=2
    )


def test_a_folder_with_a_pickle_is_not_opened(run, saved_static, tmp_path):
    folder = tmp_path / "exported"
    run(saved_static, "-o", folder, "--to", "sentence-transformers")
    (folder / "pytorch_model.bin").write_bytes(b"0")
    assert "could run code when it is loaded" in run(folder, "--check", code=1)
