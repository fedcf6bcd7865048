"""What callbacks monitor is checked before training, and the best epoch is kept."""

import pytest
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from quaterion_core import Quaterion
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.train.callbacks.best_epoch import BestEpoch


def samples(groups, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        SimilarityGroupSample(torch.randn(6, generator=generator).tolist(), group)
        for group in groups
        for _ in range(4)
    ]


@pytest.fixture
def build(vector_encoder):
    def build(loss="triplet", **options):
        return Quaterion.build(
            encoder=vector_encoder(6, 5, trainable=True), head="skip-connection", loss=loss,
            metrics=["recall-at-k"], data=samples("abcd"), **options,
        )  # fmt: skip

    return build


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            lambda folder: EarlyStopping("recall_at_k", mode="max"),
            r"monitors 'recall_at_k', which is logged as 'recall_at_k_validation'",
        ),
        (
            lambda folder: EarlyStopping("recall_at_k_validation"),
            r"got 'min'. Create the trainer's EarlyStopping with mode='max'",
        ),
        (
            lambda folder: EarlyStopping("validation_loss", mode="max"),
            r"got 'max'. Create the trainer's EarlyStopping with mode='min'",
        ),
        (
            lambda folder: EarlyStopping("validation_los"),
            r"nothing to monitor called 'validation_los': did you mean 'validation_loss'",
        ),
        (
            lambda folder: ModelCheckpoint(folder, monitor="recal_at_k_validation", mode="max"),
            r"ModelCheckpoint monitors 'recal_at_k_validation'",
        ),
    ],
    ids=["table name", "wrong mode", "loss maximised", "misspelt loss", "misspelt metric"],
)
def test_a_wrong_monitor_is_refused_before_training(
    build, make_trainer, tmp_path, callback, message
):
    trainer = make_trainer(callbacks=[callback(tmp_path)], enable_checkpointing=True)
    with pytest.raises(ValueError, match=message):
        Quaterion.fit(build(), trainer, samples("abcd"), samples("abcd", 1))
    assert trainer.global_step == 0


@pytest.mark.parametrize("loss", ["arcface", "proxy-anchor", "center"])
def test_no_loss_is_logged_where_no_validation_sample_counts(build, make_trainer, loss):
    trainer = make_trainer(max_epochs=2)
    with pytest.warns(UserWarning, match="did not occur in training"):
        Quaterion.fit(build(loss), trainer, samples("abcd"), samples("xy", 1))
    assert "validation_loss" not in trainer.callback_metrics
    assert "recall_at_k_validation" in trainer.callback_metrics


def test_stopping_early_on_a_loss_that_is_not_logged_is_refused(build, make_trainer):
    trainer = make_trainer(callbacks=[EarlyStopping("validation_loss")])
    with pytest.raises(
        ValueError,
        match=r"ArcFaceLoss has weights for the groups of the training data alone.*"
        r"monitor='recall_at_k_validation'",
    ):
        Quaterion.fit(build("arcface"), trainer, samples("abcd"), samples("xy", 1))


def test_a_loss_of_some_known_groups_is_logged(build, make_trainer):
    trainer = make_trainer(max_epochs=1, callbacks=[EarlyStopping("validation_loss")])
    Quaterion.fit(build("arcface"), trainer, samples("abcd"), samples("ax", 1))
    assert trainer.callback_metrics["validation_loss"] > 0


def test_the_logged_loss_is_the_mean_over_known_objects_whatever_the_batches(build, make_trainer):
    model, known, unknown = build("arcface"), samples("abcd", 1), samples("wxyz", 2)
    Quaterion.fit(model, make_trainer(max_epochs=1), samples("abcd"))
    # Of four batches, one has four known objects, one has a single one, and two have none.
    mixed = [*known[:4], known[4], *unknown[:3], *unknown[3:11]]
    losses = []
    for validation, size in ((mixed, 4), (known[:5], 5)):
        loader = GroupSimilarityDataLoader(validation, batch_size=size)
        (logged,) = make_trainer().validate(model, loader, verbose=False)
        losses.append(logged["validation_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_weights_of_the_best_epoch_are_kept_by_the_name_of_a_metric(build, make_trainer):
    class Remembered(BestEpoch):
        values = []

        def on_train_epoch_end(self, trainer, pl_module):
            self.values.append(float(trainer.callback_metrics["recall_at_k_validation"]))

    history = Remembered("train_loss")
    history.on_train_end = lambda *_: None
    trainer = make_trainer(max_epochs=15, callbacks=[history])
    model, validation = build(), samples("abcd", 1)
    Quaterion.fit(model, trainer, samples("abcd"), validation, keep_best="recall_at_k")
    kept = make_trainer().validate(model, _loader(validation), verbose=False)
    assert kept[0]["recall_at_k_validation"] == pytest.approx(max(history.values))


def _loader(validation):
    return GroupSimilarityDataLoader(validation, batch_size=32)


@pytest.mark.parametrize(
    ("keep_best", "validation", "message"),
    [
        ("recal_at_k", True, r"keep_best to name a logged value, got 'recal_at_k'.*did you mean"),
        ("recall_at_k", False, r"compares epochs by 'recall_at_k_validation'.*no val_dataloader"),
    ],
    ids=["misspelt", "no validation data"],
)
def test_a_wrong_value_to_compare_epochs_by_is_refused(
    build, make_trainer, keep_best, validation, message
):
    with pytest.raises(ValueError, match=message):
        Quaterion.fit(
            build(), make_trainer(), samples("abcd"), samples("abcd", 1) if validation else None,
            keep_best=keep_best,
        )  # fmt: skip
