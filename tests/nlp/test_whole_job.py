"""Tests of the README's workflow, from an example recipe to a search in a new process."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from quaterion_core import SimilarityModel
from quaterion_core.cli import main

RECIPE = Path(__file__).parents[2] / "examples" / "python_docs.yaml"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job") / "model"
    result = CliRunner().invoke(main, ["fit", str(RECIPE), "--output", str(folder)])
    assert result.exit_code == 0, result.output
    return folder


def test_the_recipe_learns_to_find_functions_by_what_they_do(model):
    report = json.loads((model / "report.json").read_text())
    assert report["before"]["retrieval_precision@1"] < 0.45
    assert report["after"]["retrieval_precision@1"] >= 0.60


def test_a_new_process_gives_the_same_embeddings_bit_for_bit(model, tmp_path):
    texts = ["remove a directory tree", "shutil rmtree", "", "Ünïcödé"]
    np.save(tmp_path / "ours.npy", SimilarityModel.load(model).encode(texts))
    code = (
        "import sys, numpy; from quaterion_core import SimilarityModel;"
        f"print((SimilarityModel.load(sys.argv[1]).encode({texts!r}).tobytes()"
        " == numpy.load(sys.argv[2]).tobytes()), 'pytorch_lightning' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, model, tmp_path / "ours.npy"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == ["True", "False"]


def test_a_new_process_answers_a_question(model):
    command = [sys.executable, "-m", "quaterion_core.cli", "search", model, "--top", "3"]
    result = subprocess.run(
        [*command, "remove a directory tree"], capture_output=True, text=True, check=True
    )
    assert "shutil rmtree" in result.stdout
