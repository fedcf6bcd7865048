"""Tuning finds what there is to learn, and keeps the base where there is nothing."""

import json
import random

import pytest
from click.testing import CliRunner

from quaterion_core import SimilarityModel, fit_recipe
from quaterion_core.recipe import evaluate_recipe
from quaterion_core.storage import OutputExistsError
from quaterion_tune import tune
from quaterion_tune.command import tune as command

THINGS = ["bucket", "cluster", "invoice", "password", "backup", "quota", "region", "ticket"]
DEEDS = {"delete": "remove", "copy": "duplicate", "share": "publish", "rename": "retitle",
         "watch": "monitor", "lock": "freeze", "move": "relocate", "find": "locate"}  # fmt: skip


@pytest.fixture(scope="module")
def faq(tmp_path_factory):
    """Questions whose answers use other words."""
    path = tmp_path_factory.mktemp("faq") / "faq.jsonl"
    rows = [
        {"question": f"how do i {deed} {thing} {number}", "answer": f"{other} it: {thing} {number}"}
        for deed, other in DEEDS.items() for thing in THINGS for number in range(4)
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture(scope="module")
def tuned(faq, tmp_path_factory):
    """The result of a search of two trials, and the lines that it wrote."""
    lines = []
    folder = tmp_path_factory.mktemp("tuned") / "model"
    return tune(faq, folder, trials=2, minutes=5, write=lines.append), lines


def test_the_better_model_is_saved(tuned):
    result, lines = tuned
    assert not result.keeps_base
    assert result.comparison.metrics[0].is_significant
    assert len(result.trials) == 2
    assert lines[0] == "Data: pairs that match: 'question' with 'answer'."
    assert lines[1].startswith("Encoder: static, trained from scratch")
    assert lines[2].startswith("Trial 1: retrieval_precision@1 ")


def test_figures_are_those_of_the_saved_model(tuned):
    result, _ = tuned
    after = evaluate_recipe(result.output, split="test").metrics
    assert after[result.metric] == pytest.approx(result.comparison.metrics[0].b, abs=1e-6)
    assert max(result.candidates.values()) == result.candidates[result.chosen]


def test_the_recipe_can_be_run_again(tuned, tmp_path):
    result, _ = tuned
    again = fit_recipe(result.output / "recipe.yaml", write=lambda line: None)
    assert again.after[result.metric] == pytest.approx(result.candidates["tuned"], abs=1e-6)
    kept = json.loads((result.output / "tune.json").read_text())
    assert kept["chosen"] == result.chosen
    assert [trial["number"] for trial in kept["trials"]] == [0, 1]


def test_a_model_that_is_there_is_kept(tuned, faq):
    result, _ = tuned
    before = (result.output / "config.json").read_bytes()
    with pytest.raises(OutputExistsError):
        tune(faq, result.output, trials=1, write=lambda line: None)
    assert (result.output / "config.json").read_bytes() == before


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Texts with random labels."""
    path = tmp_path_factory.mktemp("noise") / "noise.csv"
    random.seed(0)
    rows = [f"{' '.join(random.choices(THINGS, k=4))} {n},{random.choice('abcd')}"
            for n in range(300)]  # fmt: skip
    path.write_text("text,label\n" + "\n".join(rows))
    return path


def test_random_labels_keep_the_base(noise, tmp_path):
    folder = tmp_path / "model"
    arguments = [str(noise), "-o", str(folder), "--trials", "1", "--minutes", "5"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 3, result.output
    assert "Keep the base" in result.output
    assert SimilarityModel.load(folder).encode(["a bucket"]).shape == (1, 512)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.csv", "-o", "model"], "no such file"),
        (["{faq}", "-o", "model", "--column", "obj=text"], "Expected the columns obj and group"),
        (["{faq}", "-o", "model", "--minutes", "0"], "Invalid value"),
        (["{faq}"], "Missing option"),
        (["{faq}", "-o", "{faq}"], "is a file. Give the path of a new folder"),
    ],
    ids=str,
)
def test_errors_come_first(faq, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    given = [text.format(faq=faq) for text in arguments]
    result = CliRunner().invoke(command, given)
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert "Trial" not in result.output
