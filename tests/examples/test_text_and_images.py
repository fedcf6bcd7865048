"""Tests of the example with texts and images: it learns, and the saved model is the trained one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "text_and_images.py"


@pytest.fixture(scope="module")
def printed(tmp_path_factory, run_script):
    arguments = ("--epochs", "3", "--output", tmp_path_factory.mktemp("example") / "model")
    result = run_script(EXAMPLE, *arguments, OMP_NUM_THREADS="1", COLUMNS="200")
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def test_training_improves_the_search(printed):
    before, after = (
        float(re.search(rf"{when} training: (\S+)", printed)[1]) for when in ("before", "after")
    )
    assert before < 0.3
    assert after > 0.8


def test_the_saved_model_finds_the_same(printed):
    after = re.search(r"after training: (\S+)", printed)[1]
    assert re.search(r"loaded again: (\S+)", printed)[1] == after


def test_a_handwritten_seven_is_found(printed):
    found = re.search(r"'a handwritten seven' finds images of: (.*)", printed)[1].split()
    assert found.count("7") >= 8
