"""Tests of loggers and callbacks in recipes."""

import json

import pytest
import torch

from quaterion_core import SimilarityModel, fit_recipe
from quaterion_core.recipe import RecipeError, check_recipe

QUESTIONS = ["reset my password", "pay by invoice", "where are backups", "invite a colleague"]


@pytest.fixture
def recipe(tmp_path):
    """A recipe on pairs in a file of the current folder, with a metric."""
    rows = [{"q": question, "a": f"{question}, please"} for question in QUESTIONS]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return {
        "data": {
            "name": "jsonl", "files": {"train": "d.jsonl", "validation": "d.jsonl"},
            "obj_a": "q", "obj_b": "a",
        },
        "encoder": {"name": "static", "embedding_size": 8, "vocab_size": 300},
        "loss": "multiple-negatives-ranking",
        "metrics": [{"name": "retrieval-precision", "k": 1}],
        "epochs": 3,
        "batch_size": 4,
        "trainer": {"accelerator": "cpu"},
    }  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_logs_and_checkpoints_lie_beside_the_model(recipe, tmp_path):
    recipe["trainer"] |= {
        "logger": ["csv", {"name": "csv", "save_dir": "mine", "run_name": "wide"}],
        "callbacks": [
            {"name": "model-checkpoint", "monitor": "retrieval_precision@1"},
            "learning-rate-monitor",
        ],
    }
    fit_recipe(recipe, tmp_path / "models" / "faq", write=lambda _: None)
    logged = (tmp_path / "models/logs/faq/version_0/metrics.csv").read_text()
    assert "retrieval_precision@1_validation" in logged
    assert "lr-Adam" in logged
    assert (tmp_path / "mine/wide/version_0/metrics.csv").is_file()
    assert len(list((tmp_path / "models/logs/faq/checkpoints").glob("*.ckpt"))) == 1
    saved = (tmp_path / "models/faq/recipe.yaml").read_text()
    assert f"save_dir: {tmp_path / 'mine'}" in saved
    assert "quaterion-core/model-checkpoint" in saved


def test_a_run_that_a_callback_stops_early_saves_its_best_weights(recipe, tmp_path):
    stop = {"name": "early-stopping", "monitor": "validation_loss", "patience": 1}
    recipe["trainer"]["callbacks"] = [stop]
    recipe |= {"epochs": 9, "optimizer": {"name": "sgd", "lr": 50.0}}  # too large: gets worse
    result = fit_recipe(recipe, tmp_path / "faq", write=lambda _: None)
    losses = [epoch["validation_loss"] for epoch in result.history]
    assert result.best_epoch == 1 + losses.index(min(losses)) < len(losses) < 9
    one = fit_recipe({**recipe, "epochs": result.best_epoch, "trainer": {"accelerator": "cpu"}})
    torch.testing.assert_close(
        SimilarityModel.load(tmp_path / "faq").encode(QUESTIONS), one.model.encode(QUESTIONS)
    )


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ({"logger": "tensorbord"}, "trainer.logger: There is no logger 'tensorbord': did you mean"),
        ({"logger": ["csv", {"name": "csv", "savedir": "x"}]},
         "trainer.logger.1.savedir: The logger 'csv' has no argument 'savedir': did you mean"),
        ({"logger": 5}, "trainer.logger: Expected the name of a logger, such as 'csv', or a"),
        ({"callbacks": ["early-stoping"]}, "trainer.callbacks.0: There is no callback 'early-stop"),
        ({"callbacks": {"name": "early-stopping", "monitor": "retrieval_precison@1"}},
         "trainer.callbacks.monitor: There is nothing to monitor called 'retrieval_precison@1': "
         "did you mean 'retrieval_precision@1'?"),
        ({"callbacks": [{"name": "early-stopping", "monitor": "retrieval_precision@1",
                         "mode": "min"}]},
         "trainer.callbacks.0.mode: Expected the mode 'max' for 'retrieval_precision@1'"),
        ({"callbacks": ["learning-rate-monitor"]},
         "The callback LearningRateMonitor logs values, but the trainer has no logger."),
        ({"callbacks": ["model-checkpoint"], "enable_checkpointing": False},
         "trainer.enable_checkpointing: The callback ModelCheckpoint writes checkpoints"),
    ],
)  # fmt: skip
def test_mistakes_are_found_before_the_data_are_read(recipe, trainer, message, monkeypatch):
    monkeypatch.setattr("quaterion_core.dataset.readers.JsonLinesDataset.load", None)
    recipe["trainer"] |= trainer
    with pytest.raises(RecipeError) as caught:
        check_recipe(recipe)
    assert message in str(caught.value)
    assert "1 fault" in str(caught.value)


def test_a_callback_without_validation_data_to_monitor_is_refused(recipe):
    del recipe["data"]["files"]["validation"]
    recipe["trainer"]["callbacks"] = ["early-stopping"]
    with pytest.raises(RecipeError, match=r"trainer\.callbacks\.0: Expected a validation split"):
        check_recipe(recipe)


def test_early_stopping_in_the_wrong_direction_is_refused(recipe):
    recipe["early_stopping"] = {"monitor": "retrieval_precision@1", "mode": "min"}
    with pytest.raises(RecipeError, match=r"early_stopping\.mode: Expected the mode 'max'"):
        check_recipe(recipe)
