"""Tests of the tracker plugin: it records only the training runs that name it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "tracker_plugin"

TRAINING_RUNS = """
import os
import pytorch_lightning as pl
import torch
from quaterion_core import Quaterion
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.encoders import Encoder
from quaterion_tensorboard.plugin import TensorBoardTracker


class Numbers(Encoder):
    trainable = False
    embedding_size = 2

    def get_collate_fn(self):
        return torch.tensor

    def forward(self, batch):
        return batch


def fit(trainer=None, **options):
    model = Quaterion.build(
        encoder=Numbers(),
        head={"name": "linear-projection", "output_size": 3},
        loss={"name": "triplet", "margin": 0.25},
        optimizer={"name": "sgd", "lr": 0.1},
    )
    samples = [SimilarityGroupSample([float(n), 1.0], n % 2) for n in range(8)]
    Quaterion.fit(model, trainer, GroupSimilarityDataLoader(samples, batch_size=8), **options)


fit()
print("ONLY INSTALLED", os.path.exists("runs"))
fit(plugins=["quaterion-tensorboard"])
fit(plugins=[TensorBoardTracker("elsewhere", run_name="by hand")])
try:
    fit(pl.Trainer(logger=False, max_epochs=1), plugins=["quaterion-tensorboard"])
except ValueError as error:
    print("REFUSED", error)
"""


@pytest.fixture(scope="module")
def installed(build_wheel, install_wheels):
    return install_wheels([build_wheel(EXAMPLE)])


@pytest.fixture(scope="module")
def runs(installed, run_script, tmp_path_factory):
    """Train with and without the plugin; return the output and the folder."""
    folder = tmp_path_factory.mktemp("runs")
    script = folder / "training_runs.py"
    script.write_text(TRAINING_RUNS)
    result = run_script(script, path=[installed], cwd=folder, QUATERION_TENSORBOARD_RUN="first")
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout, folder


@pytest.fixture(scope="module", params=["runs/first", "elsewhere/by hand"])
def events(request, runs):
    """Return what TensorBoard reads from a recorded run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(runs[1] / request.param))
    found.Reload()
    return found


def test_a_plugin_that_is_only_installed_records_nothing(runs):
    printed, folder = runs
    assert "ONLY INSTALLED False" in printed
    assert [path.name for path in (folder / "runs").iterdir()] == ["first"]


def test_a_trainer_without_a_logger_is_an_error(runs):
    assert (
        "REFUSED quaterion-tensorboard cannot record the run: expected a TensorBoardLogger, got no "
        in runs[0]
    )


def test_the_learning_curve_and_the_final_value_are_recorded(events):
    curve = events.Scalars("train_loss_epoch")
    (final,) = events.Scalars("final/train_loss_epoch")
    assert len(curve) >= 1
    assert final.value == pytest.approx(curve[-1].value)


def test_the_configuration_is_recorded_as_a_text(events):
    (event,) = events.Tensors("configuration/text_summary")
    text = event.tensor_proto.string_val[0].decode()
    configuration = json.loads(text)
    assert configuration["encoder.default"] == "Numbers"
    assert configuration["head"] == "LinearProjectionHead"
    assert configuration["loss.margin"] == 0.25


def test_the_configuration_is_recorded_as_hyperparameters(events):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    parameters = HParamsPluginData.FromString(content).session_start_info.hparams
    assert parameters["head.output_size"].number_value == 3
    assert parameters["loss"].string_value == "TripletLoss"


def test_a_recipe_enables_it(installed, run_script, tmp_path):
    rows = [{"text": f"word{n} {n % 2}", "group": n % 2} for n in range(8)]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "recipe.yaml").write_text(
        "data: {name: jsonl, files: {train: train.jsonl}, obj: text, group: group}\n"
        "encoder: {name: static, embedding_size: 8, vocab_size: 300}\n"
        "loss: triplet\n"
        "epochs: 1\n"
        "plugins: [quaterion-tensorboard]\n"
    )
    result = run_script(
        "-m", "quaterion_core.cli", "fit", "recipe.yaml", "--output", "model",
        path=[installed], cwd=tmp_path, QUATERION_TENSORBOARD_FOLDER="kept",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (run,) = (tmp_path / "kept").iterdir()
    assert list(run.glob("events.out.tfevents.*"))
    assert not (tmp_path / "lightning_logs").exists()


def test_its_own_tests_pass(installed, run_script, tmp_path):
    folder = shutil.copytree(EXAMPLE, tmp_path / "plugin")
    result = run_script(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests",
        "--pyargs", "quaterion_tensorboard", path=[installed], cwd=folder,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-2000:]
