"""Interrupted runs, compared with one that never was: losses, steps and weights."""

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from quaterion_core import Quaterion, TrainableModel
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.heads import SkipConnectionHead
from quaterion_core.loss import TripletLoss
from quaterion_core.train.cache import CacheConfig, CacheType

SAMPLES = 20
"""Five batches of four; three epochs make 15 batches."""


class Model(TrainableModel):
    def __init__(self, make_encoder, cached, schedule, cache_type=CacheType.CPU):
        self._settings = make_encoder, cached, schedule
        super().__init__()
        self.save_hyperparameters("cache_type")

    def configure_encoders(self):
        make_encoder, cached, _ = self._settings
        return make_encoder(4, 5, trainable=not cached)

    def configure_head(self, input_embedding_size):
        return SkipConnectionHead(input_embedding_size, dropout=0.3)

    def configure_loss(self):
        return TripletLoss(margin=2.0, mining="all")

    def configure_caches(self):
        return CacheConfig() if self._settings[1] else None

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.trainable_parameters(), lr=0.01)
        if not self._settings[2]:
            return optimizer
        steps = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / (steps + 1))
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


class Run(pl.Callback):
    """Notes losses by batch, and saves a checkpoint after some of them."""

    def __init__(self, folder, at=()):
        self.folder, self.at, self.losses = folder, at, {}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        number = trainer.fit_loop.total_batch_idx + 1
        self.losses[number] = float(outputs["loss"])
        if number in self.at:
            trainer.save_checkpoint(self.folder / f"{number}.ckpt")


@pytest.fixture
def train(make_trainer, vector_encoder, tmp_path):
    def run(settings, at=(), checkpoint=None, folder=None, hooks=(), after=None):
        settings = dict(settings)
        cached, schedule = settings.pop("cached", False), settings.pop("schedule", False)
        sampler, workers = settings.pop("sampler", None), settings.pop("workers", 0)
        generator = torch.Generator().manual_seed(0)
        points = torch.randn(SAMPLES, 4, generator=generator).tolist()
        samples = [SimilarityGroupSample(point, n % 4) for n, point in enumerate(points)]
        torch.manual_seed(0)  # a frozen encoder is the same in every process
        model = Model(vector_encoder, cached, schedule)
        torch.manual_seed(0 if checkpoint is None else 1)  # it has no influence on what resumes
        notes = Run(folder or tmp_path, at)
        trainer = make_trainer(**{"max_epochs": 3, "callbacks": [notes, *hooks], **settings})
        loader = GroupSimilarityDataLoader(samples, batch_size=4, shuffle=True, num_workers=workers)
        Quaterion.fit(
            model, trainer, loader, GroupSimilarityDataLoader(samples, batch_size=8),
            ckpt_path=checkpoint, batch_sampler=sampler,
        )  # fmt: skip
        if after is not None:
            torch.rand(7)  # what is drawn after the run has no influence on what resumes
            trainer.save_checkpoint(after)
        weights = {**model.model.state_dict(), **model.loss.state_dict()}
        return notes.losses, trainer.global_step, trainer.current_epoch, weights

    return run


SETTINGS = {
    "plain": {},
    "schedule": {"schedule": True},
    "cached, with a schedule": {"schedule": True, "cached": True},
    "limited": {"limit_train_batches": 3},
    "limited, with a schedule": {"limit_train_batches": 3, "schedule": True},
    "accumulated": {"accumulate_grad_batches": 2, "schedule": True},
    "validated within epochs": {"val_check_interval": 2},
    "validated and accumulated": {"val_check_interval": 2, "accumulate_grad_batches": 3},
    "steps": {"max_steps": 13, "max_epochs": -1},
    "steps, with a schedule": {"max_steps": 13, "max_epochs": -1, "schedule": True},
    "no validation": {"limit_val_batches": 0},
    "groups": {"sampler": {"name": "groups", "samples_per_group": 2}, "schedule": True},
    "no duplicates": {"sampler": "no-duplicates"},
    "reloaded": {"reload_dataloaders_every_n_epochs": 1, "schedule": True},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_run_resumes_from_any_batch_as_if_it_had_never_stopped(train, settings, tmp_path):
    losses, steps, epochs, weights = train(settings, at=range(1, 20))
    last = len(losses) - 1
    for number in sorted({1, 3, 4, 5, 6, 10, last} & {*range(1, last + 1)}):
        resumed = train(settings, checkpoint=tmp_path / f"{number}.ckpt")
        assert resumed[0] == {n: loss for n, loss in losses.items() if n > number}, number
        assert resumed[1:3] == (steps, epochs), number
        torch.testing.assert_close(resumed[3], weights, rtol=0, atol=0)


@pytest.mark.parametrize(
    "settings", ["plain", "limited", "accumulated", "validated within epochs", "steps", "groups"]
)
@pytest.mark.parametrize("stops", [(5, 10), (3, 6, 8)])
def test_a_run_may_be_interrupted_again(train, settings, stops, tmp_path):
    settings = SETTINGS[settings]
    losses, steps, epochs, weights = train(settings)
    checkpoint, again = None, {}
    for stop in stops:
        folder = tmp_path / str(stop)
        folder.mkdir()
        if stop >= len(losses):
            break
        part = train(settings, at=[stop], checkpoint=checkpoint, folder=folder)
        again.update({n: loss for n, loss in part[0].items() if n <= stop})
        checkpoint = folder / f"{stop}.ckpt"
    last = train(settings, checkpoint=checkpoint)
    assert {**again, **last[0]} == losses
    assert last[1:3] == (steps, epochs)
    torch.testing.assert_close(last[3], weights, rtol=0, atol=0)


class SaveIn(pl.Callback):
    """Saves a checkpoint in a hook, the n-th time that it is called."""

    def __init__(self, hook, number, file):
        def save(trainer, *_):
            self.calls += not trainer.sanity_checking
            if self.calls == number:
                trainer.save_checkpoint(file)

        self.calls = 0
        setattr(self, hook, save)


@pytest.mark.parametrize(
    "hook",
    ["on_train_epoch_start", "on_train_epoch_end", "on_validation_end", "on_train_batch_start"],
)
@pytest.mark.parametrize("settings", ["plain", "schedule", "validated within epochs", "steps"])
def test_a_checkpoint_may_be_saved_in_any_hook(train, hook, settings, tmp_path):
    saving = SaveIn(hook, 2, tmp_path / "saved.ckpt")
    losses, steps, epochs, weights = train(SETTINGS[settings], hooks=[saving])
    resumed = train(SETTINGS[settings], checkpoint=tmp_path / "saved.ckpt")
    assert resumed[0].items() <= losses.items()
    assert [*resumed[0]] == [*losses][-len(resumed[0]) :]
    assert resumed[1:3] == (steps, epochs)
    torch.testing.assert_close(resumed[3], weights, rtol=0, atol=0)


def test_lightnings_own_checkpoints_resume_in_the_same_way(train, tmp_path):
    saving = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    settings = {"schedule": True, "enable_checkpointing": True}
    losses, _, _, weights = train(settings, hooks=[saving])
    resumed = train(settings, checkpoint=tmp_path / "step=5.ckpt")
    assert resumed[0] == {n: loss for n, loss in losses.items() if n > 5}
    torch.testing.assert_close(resumed[3], weights, rtol=0, atol=0)


def test_a_finished_run_resumes_for_more_epochs(train, tmp_path):
    losses, _, _, weights = train({"max_epochs": 4})
    train({"max_epochs": 2}, at=[10])
    resumed = train({"max_epochs": 4}, checkpoint=tmp_path / "10.ckpt")
    assert resumed[0] == {n: loss for n, loss in losses.items() if n > 10}
    torch.testing.assert_close(resumed[3], weights, rtol=0, atol=0)


def test_own_enums_in_hyperparameters_are_read_back(train, vector_encoder, tmp_path):
    train({}, at=[4])
    checkpoint = torch.load(tmp_path / "4.ckpt", weights_only=True)
    assert checkpoint["hyper_parameters"]["cache_type"] is CacheType.CPU


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_goes_on_from_a_checkpoint_that_was_saved_once_it_had_ended(train, tmp_path, workers):
    whole = train({"max_epochs": 4})
    train({"max_epochs": 2}, after=tmp_path / "ended.ckpt")
    resumed = train({"max_epochs": 4, "workers": workers}, checkpoint=tmp_path / "ended.ckpt")
    assert resumed[0] == {number: loss for number, loss in whole[0].items() if number > 10}
    assert resumed[1:3] == whole[1:3]
    torch.testing.assert_close(resumed[3], whole[3], rtol=0, atol=0)
