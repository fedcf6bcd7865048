"""Tests that the recipe for Omniglot reads the archives' folders, trains and is evaluated."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from quaterion_core.cli import main

RECIPE = Path(__file__).parents[2] / "examples" / "omniglot.yaml"
ALPHABETS = [
    "images_background_small1/Greek",
    "images_background_small1/Latin",
    "images_background_small2/Japanese_(katakana)",
    "images_background_small2/Sanskrit",
    "images_background_small2/Tagalog",
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with the recipe, for one epoch, and three characters per alphabet."""
    generator = np.random.default_rng(0)
    for alphabet in ALPHABETS:
        for character in range(1, 4):
            place = tmp_path / alphabet / f"character{character:02}"
            place.mkdir(parents=True)
            shape = np.kron(generator.random((5, 5)) > 0.4, np.ones((21, 21))).astype(bool)
            for drawer in range(1, 5):
                drawn = np.roll(shape, generator.integers(-5, 6, size=2), axis=(0, 1))
                Image.fromarray(drawn).save(place / f"0001_{drawer:02}.png")
    text = RECIPE.read_text(encoding="utf-8")
    (tmp_path / "omniglot.yaml").write_text(re.sub(r"epochs: \d+", "epochs: 1", text))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.filterwarnings("ignore:.*LeafSpec", "ignore:.*does not have many workers")
def test_it_is_trained_and_evaluated_on_other_alphabets(folder):
    output = run("fit", "omniglot.yaml", "--output", "omniglot")
    # 2 · 3 · 4 images in four rotations, and their mirror images
    assert "Data: 192 training samples" in output
    for split in ("katakana", "sanskrit", "tagalog"):
        report = json.loads(run("evaluate", "omniglot", "--split", split, "--json"))
        assert report["samples"] == 12
        (accuracy,) = report["metrics"].values()
        assert 0 <= accuracy <= 1
