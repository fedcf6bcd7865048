"""Recipes mark what a search may choose."""

import optuna
import pytest

from quaterion_tune import tune
from quaterion_tune.marked import is_marked, suggested


def drawn(content, count=30):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = []
    for _ in range(count):
        trial = study.ask()
        found.append(suggested(content, trial))
        study.tell(trial, 0.0)
    return found


def test_every_mark_gets_a_value():
    content = {
        "loss": {"search": [{"name": "triplet", "margin": {"search": [0.1, 0.2]}}, "supcon"]},
        "optimizer": {"name": "adam", "lr": {"search": {"low": 0.001, "high": 0.1, "log": True}}},
        "epochs": {"search": {"low": 2, "high": 5}},
        "metrics": ["map", {"name": "ndcg", "k": {"search": [5, 10]}}],
        "batch_size": 8,
    }
    found = drawn(content)
    losses = [recipe["loss"] for recipe in found]
    assert {"name": "triplet", "margin": 0.1} in losses
    assert {"name": "triplet", "margin": 0.2} in losses
    assert "supcon" in losses
    assert all(0.001 <= recipe["optimizer"]["lr"] <= 0.1 for recipe in found)
    assert {recipe["epochs"] for recipe in found} == {2, 3, 4, 5}
    assert {recipe["metrics"][1]["k"] for recipe in found} == {5, 10}
    assert all(recipe["batch_size"] == 8 for recipe in found)
    assert is_marked(content)
    assert not is_marked(found[0])


@pytest.mark.parametrize(
    "mark",
    [[], 3, {"low": 1}, {"low": 2, "high": 1}, {"low": 0.0, "high": 1.0, "log": True},
     {"low": 1, "high": 2, "step": 1}, {"low": "a", "high": "b"}],
    ids=str,
)  # fmt: skip
def test_other_marks_are_refused(mark):
    with pytest.raises(ValueError, match=r"Expected optimizer\.lr\.search to be a list of values"):
        drawn({"optimizer": {"lr": {"search": mark}}}, 1)


RECIPE = """
data: {name: csv, files: {train: pairs.csv, validation: 0.3}, obj_a: a, obj_b: b}
encoder: {name: static, embedding_size: 16, vocab_size: 300}
loss: {name: multiple-negatives-ranking, scale: {search: [5, 20]}}
metrics: [{name: retrieval-precision, k: 1}]
optimizer: {name: adam, lr: {search: {low: 0.01, high: 0.1, log: true}}}
epochs: {search: [3, 6]}
"""


@pytest.fixture
def folder(tmp_path):
    rows = [f"delete {n} now,remove {n} today" for n in range(80)]
    (tmp_path / "pairs.csv").write_text("a,b\n" + "\n".join(rows))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return tmp_path


def test_a_recipe_is_searched(folder):
    lines = []
    result = tune(folder / "recipe.yaml", folder / "model", trials=2, write=lines.append)
    assert [set(trial.choices) for trial in result.trials] == [
        {"loss.scale", "optimizer.lr", "epochs"}
    ] * 2
    assert result.recipe["epochs"] in (3, 6)
    assert (folder / "model" / "recipe.yaml").exists()
    assert "search:" not in (folder / "model" / "recipe.yaml").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text.replace("{search: [3, 6]}", "{search: 3}"),
            "epochs.search to be a list",
        ),
        (lambda text: text.replace("metrics", "#"), "to name metrics"),
        (
            lambda text: "data: python-docs\nencoder: static\nloss: triplet\n",
            "to mark what to search",
        ),
    ],
)
def test_recipes_that_cannot_be_searched(folder, change, message):
    (folder / "recipe.yaml").write_text(change(RECIPE))
    with pytest.raises(ValueError, match=message):
        tune(folder / "recipe.yaml", folder / "model", trials=1, write=lambda line: None)
    assert not (folder / "model").exists()
