"""The example over texts and images: it learns, and what is saved is what was trained."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "text_and_images.py"


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("example")
    result = subprocess.run(
        [sys.executable, str(EXAMPLE), "--epochs", "3", "--output", "model"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def test_captions_find_images_that_they_did_not_find_before(printed):
    before, after = (
        float(re.search(rf"{when} training: (\S+)", printed)[1]) for when in ("before", "after")
    )
    assert before < 0.3
    assert after > 0.8


def test_what_is_saved_finds_the_same(printed):
    after = re.search(r"after training: (\S+)", printed)[1]
    assert re.search(r"loaded again: (\S+)", printed)[1] == after


def test_a_handwritten_seven_is_found(printed):
    found = re.search(r"'a handwritten seven' finds images of: (.*)", printed)[1].split()
    assert found.count("7") >= 8
