import copy
import math

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, IterableDataset

from quaterion_core import Quaterion, SimilarityModel, TrainableModel
from quaterion_core.dataset import GroupSimilarityDataLoader, PairsSimilarityDataLoader
from quaterion_core.eval import (
    AttachedMetric,
    Evaluator,
    MeanReciprocalRank,
    PairRocAuc,
    PairSampler,
    RetrievalPrecision,
    RetrievalRPrecision,
)
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.heads import EmptyHead, SkipConnectionHead
from quaterion_core.loss import (
    ArcFaceLoss,
    ContrastiveLoss,
    MultipleNegativesRankingLoss,
    TripletLoss,
)
from quaterion_core.plugins import hookimpl
from quaterion_core.train.cache import CacheConfig


@pytest.fixture
def make_model(vector_encoder):
    class Model(TrainableModel):
        def __init__(self, loss, trainable=True, head=SkipConnectionHead, metrics=()):
            self._choice = (loss, trainable, head, list(metrics))
            super().__init__()

        def configure_encoders(self):
            return vector_encoder(6, 5, trainable=self._choice[1])

        def configure_head(self, input_embedding_size):
            return self._choice[2](input_embedding_size)

        def configure_loss(self):
            return self._choice[0]

        def configure_metrics(self):
            return self._choice[3]

    return Model


class History(pl.Callback):
    """Remembers what was logged at the end of each epoch."""

    def __init__(self):
        self.epochs = []

    def on_train_epoch_end(self, trainer, pl_module):
        self.epochs.append({name: float(v) for name, v in trainer.callback_metrics.items()})


@pytest.mark.parametrize(
    "loss", [TripletLoss(), ArcFaceLoss(5, 4, scale=8.0)], ids=lambda loss: type(loss).__name__
)
def test_group_losses_go_down(make_model, make_trainer, groups, loss):
    torch.manual_seed(0)
    history = History()
    trainer = make_trainer(max_epochs=30, callbacks=[history])
    loader = GroupSimilarityDataLoader(groups, batch_size=32)
    Quaterion.fit(make_model(loss), trainer, loader, loader)
    losses = [epoch["validation_loss"] for epoch in history.epochs]  # without dropout
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("loss", [MultipleNegativesRankingLoss(), ContrastiveLoss()])
def test_pairwise_losses_go_down(make_model, make_trainer, pairs, loss):
    torch.manual_seed(0)
    history = History()
    trainer = make_trainer(max_epochs=150, callbacks=[history])
    Quaterion.fit(make_model(loss), trainer, PairsSimilarityDataLoader(pairs, batch_size=16))
    losses = torch.tensor([epoch["train_loss"] for epoch in history.epochs])
    assert losses[-30:].mean() < losses[:30].mean()  # of single ones, dropout may decide


def test_losses_and_metrics_are_logged_under_their_names(make_model, make_trainer, pairs):
    metrics = [AttachedMetric("hits", RetrievalPrecision(k=1))]
    trainer = make_trainer()
    loader = PairsSimilarityDataLoader(pairs, batch_size=8)
    Quaterion.fit(
        make_model(MultipleNegativesRankingLoss(), metrics=metrics), trainer, loader, loader
    )
    assert {"train_loss", "validation_loss", "hits_train", "hits_validation"} <= set(
        trainer.callback_metrics
    )


@pytest.mark.parametrize(("options", "expected"), [({}, 3), ({"on_epoch": True}, 5)])
def test_metrics_of_training_are_computed_where_they_are_logged(
    make_model, make_trainer, pairs, options, expected
):
    computed = []

    class Counted(RetrievalPrecision):
        def ranking_values(self, ranking):
            computed.append(ranking)
            return super().ranking_values(ranking)

    metrics = [AttachedMetric("counted", Counted(), **options)]
    trainer = make_trainer(max_epochs=1, log_every_n_steps=2)
    loader = PairsSimilarityDataLoader(pairs[:10], batch_size=2)
    model = make_model(MultipleNegativesRankingLoss(), metrics=metrics)
    Quaterion.fit(model, trainer, loader)
    assert len(computed) == expected
    assert "counted_train" in trainer.callback_metrics


def test_validation_metrics_are_over_the_whole_set(make_model, make_trainer, groups):
    model = make_model(
        TripletLoss(), metrics=[AttachedMetric("r_precision", RetrievalRPrecision())]
    )
    trainer = make_trainer()
    loader = GroupSimilarityDataLoader(groups, batch_size=5)
    Quaterion.fit(model, trainer, loader, loader)
    embeddings = model.model.encode([sample.obj for sample in groups], to_numpy=False)
    whole = RetrievalRPrecision().compute(
        embeddings, **GroupSimilarityDataLoader.collate_labels(groups)
    )
    assert float(trainer.callback_metrics["r_precision_validation"]) == pytest.approx(float(whole))


def test_logged_metrics_are_those_of_an_evaluation(make_model, make_trainer, pairs):
    """Each obj_a queries all obj_b, in validation, in training batches and in an evaluation."""
    metrics = {"p@1": RetrievalPrecision(k=1), "mrr": MeanReciprocalRank(), "auc": PairRocAuc()}
    attached = [AttachedMetric(name, metric) for name, metric in metrics.items()]
    model = make_model(MultipleNegativesRankingLoss(), metrics=attached)
    trainer = make_trainer(max_epochs=2)
    loader = PairsSimilarityDataLoader(pairs, batch_size=8)
    Quaterion.fit(model, trainer, loader, loader)
    sampler = PairSampler(distinguish=True, log_progress=False)
    values = Evaluator(metrics, sampler).evaluate(pairs, model.model)
    for name, value in values.items():
        assert float(trainer.callback_metrics[f"{name}_validation"]) == pytest.approx(float(value))


def test_metrics_of_the_same_data_share_one_search(make_model, make_trainer, pairs, monkeypatch):
    searches = []
    original = Retrieval.scores
    monkeypatch.setattr(
        Retrieval, "scores", lambda self, *rest: searches.append(rest) or original(self, *rest)
    )
    metrics = [AttachedMetric(f"p@{k}", RetrievalPrecision(k)) for k in (1, 2, 5)]
    model = make_model(MultipleNegativesRankingLoss(), metrics=metrics)
    trainer = make_trainer(max_epochs=3, log_every_n_steps=100, num_sanity_val_steps=0)
    loader = PairsSimilarityDataLoader(pairs, batch_size=len(pairs))
    Quaterion.fit(model, trainer, loader, loader)
    of_validation, of_training = 3, 3 * len(metrics)  # the only batch is the last one of an epoch
    assert len(searches) == of_validation + of_training


def test_parameters_of_a_loss_are_trained_under_the_usual_optimizer(
    make_model, make_trainer, groups
):
    class OnlyModelParameters(make_model):
        def configure_optimizers(self):
            optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]

    model = OnlyModelParameters(ArcFaceLoss(5, 4))
    before = copy.deepcopy(dict(model.loss.named_parameters()))
    Quaterion.fit(model, make_trainer(), GroupSimilarityDataLoader(groups, batch_size=8))
    assert before
    for name, parameter in model.loss.named_parameters():
        assert not torch.equal(parameter, before[name])


def test_a_checkpoint_restores_the_parameters_of_a_loss(make_model, make_trainer, groups, tmp_path):
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    model = make_model(ArcFaceLoss(5, 4))
    trainer = make_trainer()
    Quaterion.fit(model, trainer, loader)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    other = make_model(ArcFaceLoss(5, 4))
    again = make_trainer(max_epochs=2)
    Quaterion.fit(other, again, loader, ckpt_path=tmp_path / "last.ckpt")
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_a_frozen_encoder_does_not_change(make_model, make_trainer, pairs):
    model = make_model(MultipleNegativesRankingLoss(), trainable=False)
    encoder = model.model.encoders["default"]
    before = copy.deepcopy(encoder.state_dict())
    head_before = copy.deepcopy(model.model.head.state_dict())
    Quaterion.fit(model, make_trainer(), PairsSimilarityDataLoader(pairs, batch_size=8))
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert not any(torch.equal(v, head_before[n]) for n, v in model.model.head.state_dict().items())


def test_fit_can_be_repeated_with_the_same_loader_model_and_trainer(
    make_model, make_trainer, groups
):
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    model = make_model(TripletLoss())
    trainer = make_trainer(callbacks=[History()])
    callbacks = list(trainer.callbacks)
    for _ in range(3):
        trainer.fit_loop.epoch_progress.reset()
        Quaterion.fit(model, trainer, loader)
    assert trainer.callbacks == callbacks
    assert next(iter(loader))[0][0] == groups[0].obj


def test_lightning_does_not_advertise(make_model, groups, caplog):
    caplog.set_level("INFO")
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False,
    )  # fmt: skip
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    Quaterion.fit(make_model(TripletLoss()), trainer, loader)
    assert "stopped" in caplog.text
    assert "Tip" not in caplog.text


def test_callbacks_are_taken_away_when_a_training_fails(make_model, make_trainer, groups):
    class Failing(make_model):
        def training_step(self, batch, batch_idx):
            raise ZeroDivisionError

    trainer = make_trainer()
    callbacks = list(trainer.callbacks)
    with pytest.raises(ZeroDivisionError):
        Quaterion.fit(
            Failing(TripletLoss()), trainer, GroupSimilarityDataLoader(groups, batch_size=8)
        )
    assert trainer.callbacks == callbacks


def test_the_default_trainer_works_without_validation_data(
    make_model, groups, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = make_model(TripletLoss(), head=EmptyHead)
    model.configure_optimizers = lambda: torch.optim.SGD(model.model.parameters(), lr=1e-9)
    model.model.eval()
    Quaterion.fit(model, None, GroupSimilarityDataLoader(groups, batch_size=32))
    assert model.trainer.current_epoch > 0


def test_a_servable_model_can_be_saved_in_mid_training(
    make_model, make_trainer, pairs, tmp_path, vector_encoder
):
    class Saving(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            pl_module.save_servable(tmp_path / f"epoch{trainer.current_epoch}")

    model = make_model(MultipleNegativesRankingLoss(), trainable=False)
    loader = PairsSimilarityDataLoader(pairs, batch_size=8)
    Quaterion.fit(model, make_trainer(callbacks=[Saving()]), loader, loader)
    components = {"local/vector-encoder": vector_encoder}
    objects = [sample.obj_a for sample in pairs]
    last = SimilarityModel.load(tmp_path / "epoch1", components=components)
    first = SimilarityModel.load(tmp_path / "epoch0", components=components)
    assert (last.encode(objects) == model.model.encode(objects)).all()
    assert (first.encode(objects) != last.encode(objects)).any()


def test_evaluation_after_training_leaves_no_trace(make_model, make_trainer, pairs):
    model = make_model(MultipleNegativesRankingLoss())
    loader = PairsSimilarityDataLoader(pairs, batch_size=8)
    Quaterion.fit(model, make_trainer(), loader)
    model.train()
    model.model.encode([pairs[0].obj_a])
    assert model.model.head.training


class Tracker:
    """A plugin with all hooks of a training run."""

    def __init__(self):
        self.calls = []

    @hookimpl
    def quaterion_configure_trainer(self, trainer_kwargs):
        return {"max_epochs": 1, "logger": False, "enable_progress_bar": False, "callbacks": []}

    @hookimpl
    def quaterion_before_fit(self, trainer, model):
        self.calls.append(("before", trainer.current_epoch, model))

    @hookimpl
    def quaterion_after_fit(self, trainer, model):
        self.calls.append(("after", trainer.current_epoch, model))


def test_a_plugin_that_is_asked_for_takes_part(make_model, groups, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, plugin = make_model(TripletLoss()), Tracker()
    Quaterion.fit(model, None, GroupSimilarityDataLoader(groups, batch_size=8), plugins=[plugin])
    assert plugin.calls == [("before", 0, model), ("after", 1, model)]


def test_an_error_of_a_plugin_ends_the_training(make_model, make_trainer, groups):
    class Failing:
        @hookimpl
        def quaterion_before_fit(self, trainer, model):
            raise PermissionError("no such project")

    with pytest.raises(PermissionError, match="no such project"):
        Quaterion.fit(
            make_model(TripletLoss()),
            make_trainer(),
            GroupSimilarityDataLoader(groups, batch_size=8),
            plugins=[Failing()],
        )


# What is wrong is said before anything is trained.


def test_an_empty_dataset_is_refused(make_model, make_trainer):
    with pytest.raises(ValueError, match="train_dataloader has an empty dataset"):
        Quaterion.fit(make_model(TripletLoss()), make_trainer(), GroupSimilarityDataLoader([]))


def test_a_dataset_without_a_single_batch_is_refused(make_model, make_trainer, groups):
    loader = GroupSimilarityDataLoader(groups, batch_size=64, drop_last=True)
    with pytest.raises(ValueError, match="has no batch: its dataset has 32 samples"):
        Quaterion.fit(make_model(TripletLoss()), make_trainer(), loader)


def test_a_wrong_first_sample_is_refused(make_model, make_trainer, pairs):
    with pytest.raises(TypeError, match="GroupSimilarityDataLoader takes SimilarityGroupSample"):
        Quaterion.fit(make_model(TripletLoss()), make_trainer(), GroupSimilarityDataLoader(pairs))


def test_a_loss_that_does_not_fit_the_loader_is_refused(make_model, make_trainer, pairs, groups):
    with pytest.raises(TypeError, match=r"TripletLoss does not fit train_dataloader.*over pairs"):
        Quaterion.fit(make_model(TripletLoss()), make_trainer(), PairsSimilarityDataLoader(pairs))
    with pytest.raises(TypeError, match="ContrastiveLoss does not fit val_dataloader"):
        Quaterion.fit(
            make_model(ContrastiveLoss()),
            make_trainer(),
            PairsSimilarityDataLoader(pairs),
            GroupSimilarityDataLoader(groups),
        )


def test_a_plain_loader_is_refused(make_model, make_trainer, groups):
    with pytest.raises(TypeError, match="Expected train_dataloader to be .*, got a DataLoader"):
        Quaterion.fit(make_model(TripletLoss()), make_trainer(), DataLoader(groups))


def test_early_stopping_on_validation_needs_validation_data(make_model, make_trainer, groups):
    trainer = make_trainer(callbacks=[pl.callbacks.EarlyStopping("validation_loss")])
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    with pytest.raises(ValueError, match="got no val_dataloader"):
        Quaterion.fit(make_model(TripletLoss()), trainer, loader)


def test_nothing_to_train_is_refused(make_model, make_trainer, groups):
    model = make_model(TripletLoss(), trainable=False, head=EmptyHead)
    with pytest.raises(ValueError, match="There is nothing to train"):
        Quaterion.fit(model, make_trainer(), GroupSimilarityDataLoader(groups))


def test_what_is_no_loss_is_refused(make_model):
    with pytest.raises(TypeError, match="CrossEntropyLoss, which does not derive"):
        make_model(torch.nn.CrossEntropyLoss())


def test_nan_of_an_encoder_stops_the_first_batch(make_model, make_trainer, groups):
    groups[3].obj[0] = math.nan
    with pytest.raises(ValueError, match="'default' .* the first of which is object 3"):
        Quaterion.fit(
            make_model(TripletLoss()),
            make_trainer(),
            GroupSimilarityDataLoader(groups, batch_size=8),
        )


def test_a_training_that_diverges_says_so(make_model, make_trainer, groups):
    model = make_model(TripletLoss())
    model.model.head.register_forward_hook(lambda module, inputs, output: output * math.inf)
    with pytest.raises(ValueError, match="lower the learning rate"):
        Quaterion.fit(model, make_trainer(), GroupSimilarityDataLoader(groups, batch_size=8))


class Batches(pl.Callback):
    """Remembers the groups of each training batch."""

    def __init__(self):
        self.groups = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.groups.append(batch[1]["groups"].tolist())


@pytest.mark.parametrize("cache", [None, CacheConfig()], ids=["plain", "cached"])
def test_lightning_may_make_the_loaders_anew(make_model, make_trainer, groups, cache):
    """They were wrapped a second time, with several GPUs, or with overfit_batches as here."""
    batches = Batches()
    model = make_model(TripletLoss(), trainable=cache is None)
    model.configure_caches = lambda: cache
    loader = GroupSimilarityDataLoader(groups, batch_size=8, shuffle=True)
    trainer = make_trainer(callbacks=[batches], overfit_batches=2, max_epochs=1)
    Quaterion.fit(model, trainer, loader)
    expected = GroupSimilarityDataLoader.collate_labels(groups[:16])["groups"].tolist()
    assert batches.groups == [expected[:8], expected[8:]]  # no longer shuffled


@pytest.mark.parametrize(
    ("arguments", "stream"),
    [
        ({"batch_sampler": [[3, 7, 0], [2, 6, 5]]}, False),
        ({"num_workers": 1, "persistent_workers": True, "batch_size": 16}, False),
        ({"num_workers": 1, "batch_size": 16}, True),
    ],
    ids=["batch sampler", "persistent workers", "iterable data with workers"],
)
def test_loaders_of_every_kind_train(make_model, make_trainer, groups, arguments, stream):
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(groups)

    batches = Batches()
    trainer = make_trainer(callbacks=[batches], max_epochs=1)
    dataset = Stream() if stream else groups
    loader = GroupSimilarityDataLoader(dataset, **arguments)
    Quaterion.fit(make_model(TripletLoss()), trainer, loader)
    rows = arguments.get("batch_sampler", [range(16), range(16, 32)])
    expected = GroupSimilarityDataLoader.collate_labels(groups)["groups"]
    assert batches.groups == [expected[list(chosen)].tolist() for chosen in rows]
