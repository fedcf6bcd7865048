"""Tests that an interrupted run of a recipe is resumed, and its checkpoint removed at the end."""

import math
import os
import signal

import numpy as np
import pytest
from click.testing import CliRunner

from quaterion_core import SimilarityModel, fit_recipe
from quaterion_core.cli import main
from quaterion_core.recipe import RecipeError
from quaterion_core.recipe.trainer import EpochHistory
from quaterion_core.train.trainable_model import TrainableModel

TEXTS = ["lost card", "new pin"]


def quiet(line):
    """Accept a line of output and ignore it."""


def fit(*arguments):
    return CliRunner().invoke(main, ["fit", *map(str, arguments)])


@pytest.fixture
def signalled(monkeypatch):
    """Send a signal to this process at the end of the first epoch, once."""

    def send(number):
        ended = EpochHistory.on_train_epoch_end

        def end(self, trainer, pl_module):
            ended(self, trainer, pl_module)
            if trainer.current_epoch == 0:
                os.kill(os.getpid(), number)

        monkeypatch.setattr(EpochHistory, "on_train_epoch_end", end)

    return send


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_is_resumed(recipe, folder, signalled, monkeypatch, number, code):
    path = recipe(("epochs: 2", "epochs: 3"))
    whole = fit_recipe(path, folder / "whole", write=quiet)
    output, kept = folder / "model", folder / ".model.training"
    with monkeypatch.context():
        signalled(number)
        result = fit(path, "--output", output)
    assert result.exit_code == code
    assert f"Continue it:  quaterion fit {path} --output {output} --resume" in result.output
    assert not output.exists()
    assert (kept / "last.ckpt").exists()

    monkeypatch.undo()
    resumed = fit_recipe(path, output, resume=True, write=quiet)
    expected = SimilarityModel.load(folder / "whole").encode(TEXTS)
    np.testing.assert_allclose(SimilarityModel.load(output).encode(TEXTS), expected, atol=1e-6)
    assert [epoch["epoch"] for epoch in resumed.history] == [1, 2, 3]
    assert resumed.before == whole.before
    assert not kept.exists()


def test_another_recipe_is_not_resumed(recipe, folder, signalled, monkeypatch):
    signalled(signal.SIGTERM)
    assert fit(recipe(), "--output", folder / "model").exit_code == 143
    monkeypatch.undo()
    with pytest.raises(RecipeError, match="has changed since the run was interrupted"):
        fit_recipe(recipe(("epochs: 2", "epochs: 4")), folder / "model", resume=True, write=quiet)
    lines = []
    fit_recipe(recipe(), folder / "model", write=lines.append)
    assert any("--resume would continue the run that is kept" in line for line in lines)


def test_there_has_to_be_a_run_to_resume(recipe, folder):
    result = fit(recipe(), "--output", folder / "model", "--resume")
    assert result.exit_code == 1
    assert "There is no run to resume" in result.output


def test_a_run_that_diverges_saves_no_model(recipe, folder, monkeypatch):
    step = TrainableModel.training_step
    monkeypatch.setattr(
        TrainableModel, "training_step", lambda *args, **kw: step(*args, **kw) * math.nan
    )
    result = fit(recipe(), "--output", folder / "model")
    assert result.exit_code == 1
    assert "is NaN or infinite" in result.output
    assert not (folder / "model").exists()
