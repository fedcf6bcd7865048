"""`quaterion calibrate` keeps the probabilities of matches with a saved model."""

import json

import pytest
from click.testing import CliRunner

from quaterion_core import SimilarityModel
from quaterion_core.heads import EmptyHead
from quaterion_serving.calibrate_command import calibrate


@pytest.fixture
def folder(tmp_path, angles):
    """A folder with a saved model and pairs."""
    SimilarityModel(angles(), EmptyHead(2)).save(tmp_path / "model")
    rows = [{"question": str(d), "answer": str(d + 3)} for d in range(0, 360, 30)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


COLUMNS = ["--column", "obj_a=question", "--column", "obj_b=answer"]


def test_calibration_is_kept_in_the_folder(folder):
    model = folder / "model"
    result = CliRunner().invoke(calibrate, [str(model), str(folder / "pairs.jsonl"), *COLUMNS])
    assert result.exit_code == 0, result.output
    assert "Calibrating with pairs.jsonl (12 samples)." in result.output
    assert "logistic regression; thresholds with 12 matches and 12 others." in result.output
    assert "1.0%     (too few data)" in result.output
    kept = SimilarityModel.load(model).matches
    assert kept.threshold(miss_rate=0.1) == pytest.approx(0.99863, abs=1e-5)  # cos 3 degrees
    assert f"10.0%    {kept.threshold(miss_rate=0.1):.3f}" in result.output


def test_errors_leave_the_model_as_it_is(folder):
    model = folder / "model"
    before = (model / "config.json").read_bytes()
    (folder / "one.jsonl").write_text(json.dumps({"question": "1", "answer": "2"}))
    for given, message in {
        "one.jsonl": "There is nothing to calibrate with",
        "missing.jsonl": "no such file",
    }.items():
        result = CliRunner().invoke(calibrate, [str(model), str(folder / given), *COLUMNS])
        assert result.exit_code == 1
        assert message in result.output
    assert (model / "config.json").read_bytes() == before
    result = CliRunner().invoke(calibrate, [str(model)])
    assert result.exit_code == 1
    assert "was not fitted from a recipe" in result.output
