"""Training runs that cannot teach, diverge, are stopped or fail: said, and nothing good is lost."""

import errno
import math
import multiprocessing
import os
import signal
import sys

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import Dataset

from quaterion_core import Quaterion, SimilarityModel
from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.eval.group import RetrievalRPrecision
from quaterion_core.storage import NotSavableError
from quaterion_core.train import TrainableModel
from quaterion_core.train.cache import CacheConfig
from quaterion_core.train.callbacks import InterruptionCallback, guard_callback
from quaterion_core.train.errors import (
    NotFiniteError,
    NothingToLearnError,
    OutOfMemoryError,
    TrainingInterrupted,
    TrainingTerminated,
    UsedTrainerError,
    WorkerDiedError,
)


@pytest.fixture
def build(vector_encoder):
    def build(loss="triplet", trainable=True, **arguments):
        torch.manual_seed(0)
        encoder = vector_encoder(6, 5, trainable=trainable)
        arguments.setdefault("head", "gated")
        return Quaterion.build(encoder=encoder, loss=loss, **arguments)

    return build


def points(count):
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(0)).tolist()


def grouped(groups):
    samples = zip(points(len(groups)), groups, strict=True)
    return GroupSimilarityDataLoader([SimilarityGroupSample(*s) for s in samples], batch_size=8)


def paired(count=16, batch_size=8, **arguments):
    first, second = points(2 * count)[:count], points(2 * count)[count:]
    samples = [SimilarityPairSample(a, b, **arguments) for a, b in zip(first, second, strict=True)]
    return PairsSimilarityDataLoader(samples, batch_size=batch_size)


RANKING = "multiple-negatives-ranking"


@pytest.mark.parametrize(
    ("loss", "loader", "message"),
    [
        ("triplet", grouped([1] * 16), "All 16 training samples are of one group"),
        ("triplet", grouped(range(16)), "Each of the 16 groups .* has a single sample"),
        ("triplet", grouped(range(600)), "Each of the 600 groups .* has a single sample"),
        ({"name": "arcface", "num_groups": 1}, grouped([1] * 16), "of one group"),
        (RANKING, paired(score=0.0), "All 16 training pairs have the score 0"),
        (RANKING, paired(subgroup="a"), "of the subgroup 'a'"),
        (RANKING, paired(1), "a single training pair"),
        (RANKING, paired(batch_size=1), "but each batch has a single one"),
        ({"name": RANKING, "scale": 1e-45}, paired(), "Check its arguments, such as a scale"),
    ],
)  # fmt: skip
def test_data_that_cannot_teach_are_refused(build, make_trainer, loss, loader, message):
    """The run ended with a loss of 0 and weights that had not moved."""
    with pytest.raises(NothingToLearnError, match=message):
        Quaterion.fit(build(loss), make_trainer(), loader)


@pytest.mark.parametrize(
    ("loss", "loader"),
    [
        ("contrastive", paired(score=0.0)),
        ("contrastive", paired(batch_size=1)),
        ("triplet", grouped([*range(300), *range(2)])),
        ("center", grouped([1] * 16)),
    ],
)
def test_data_that_teach_something_are_taken(build, make_trainer, loss, loader):
    if loss == "center":
        loss = {"name": "center", "num_groups": 1}
    with Quaterion.prepare(build(loss), make_trainer(), loader):
        pass


class Slow(Dataset):
    """Samples of one group, which are not a list."""

    def __len__(self):
        return 16

    def __getitem__(self, index):
        return SimilarityGroupSample([float(index)] * 6, "the same")


@pytest.mark.parametrize(("epochs", "steps"), [(1, 2), (50, 6)])
def test_epochs_without_a_gradient_are_the_last_ones(build, make_trainer, epochs, steps):
    loader = GroupSimilarityDataLoader(Slow(), batch_size=8)
    with (
        pytest.warns(UserWarning, match="All gradients were zero in each of the 2 steps"),
        pytest.raises(NothingToLearnError, match=f"zero in each of the {steps} steps so far"),
    ):
        Quaterion.fit(build(), make_trainer(max_epochs=epochs), loader)


def test_learning_rates_of_zero_are_refused(build, make_trainer, groups):
    model = build(optimizer={"name": "sgd", "lr": 0.1})
    model.configure_optimizers = lambda: torch.optim.SGD(model.parameters(), lr=0.0)
    with pytest.raises(NothingToLearnError, match="All learning rates of the optimizer are 0"):
        Quaterion.fit(model, make_trainer(), GroupSimilarityDataLoader(groups, batch_size=8))


def test_a_warm_up_from_zero_is_none(build, make_trainer, groups):
    model = build(schedule={"name": "cosine", "warm_up": 0.5})
    Quaterion.fit(model, make_trainer(), GroupSimilarityDataLoader(groups, batch_size=8))


def test_what_is_not_used_is_told_of(build, make_trainer, groups):
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    with pytest.warns(UserWarning, match="cache is not used, since it stores embeddings of frozen"):
        Quaterion.fit(build(cache=CacheConfig()), make_trainer(), loader)
    with pytest.warns(UserWarning, match="no validation data: precision will be logged"):
        Quaterion.fit(build(metrics={"precision": RetrievalRPrecision()}), make_trainer(), loader)


def test_a_collapse_is_told_of(build, make_trainer, groups):
    model = build("triplet")
    with torch.no_grad():
        model.model.encoders["default"].layer.weight.zero_()
    with pytest.warns(UserWarning, match=r"has collapsed: in epoch 0 all 8 embeddings .* the same"):
        Quaterion.fit(
            model, make_trainer(max_epochs=1), GroupSimilarityDataLoader(groups, batch_size=8)
        )


# What is not finite stops the step before it breaks the weights.


class Exploding(torch.autograd.Function):
    """Passes values on, and gives a gradient that is not finite."""

    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * math.nan


def at_step(model, step, change):
    """Change what the head returns at one step."""

    def hook(module, inputs, output):
        return change(output) if model.trainer.global_step == step else output

    model.model.head.register_forward_hook(hook)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Exploding.apply, r"The gradient of _model\S+ and \d+ others is NaN or infinite"),
        (lambda output: output * math.inf, "The embeddings became NaN or infinite"),
    ],
    ids=["gradient", "embeddings"],
)
def test_the_weights_before_the_step_are_kept(
    build, make_trainer, groups, tmp_path, change, message
):
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    good = build()
    Quaterion.fit(good, make_trainer(max_steps=2), loader)
    model = build()
    at_step(model, 2, change)
    interruption = InterruptionCallback(tmp_path / "kept.ckpt")
    with pytest.raises(NotFiniteError, match=message):
        Quaterion.fit(model, make_trainer(callbacks=[interruption]), loader)
    torch.testing.assert_close(model.state_dict(), good.state_dict())
    kept = torch.load(tmp_path / "kept.ckpt", weights_only=False)
    torch.testing.assert_close(kept["state_dict"], dict(good.state_dict()))


@pytest.mark.parametrize("saves", [True, False], ids=["at a checkpoint", "at the end of the epoch"])
def test_where_a_look_at_gradients_waits_broken_weights_are_never_saved(
    build, make_trainer, groups, tmp_path, monkeypatch, saves
):
    monkeypatch.setattr(guard_callback, "_is_free_to_look_at", lambda value: False)
    monkeypatch.setattr(TrainableModel, "_is_time_to_check", lambda *args: False)
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    model = build()
    at_step(model, 2, Exploding.apply)
    callbacks = [InterruptionCallback(tmp_path / "kept.ckpt")]
    if saves:
        callbacks.append(ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1))
    with pytest.raises(NotFiniteError, match="the weights changed with it. Resume from an earlier"):
        Quaterion.fit(
            model,
            make_trainer(max_epochs=1, callbacks=callbacks, enable_checkpointing=saves),
            loader,
        )
    expected = ["step=1.ckpt", "step=2.ckpt"] if saves else []
    assert sorted(path.name for path in tmp_path.iterdir()) == expected


def test_the_samples_of_a_bad_step_are_named(build, make_trainer, groups):
    model = build()
    at_step(model, 2, Exploding.apply)
    with pytest.raises(NotFiniteError, match=r"epoch 0, batch 2 \(step 2\), samples 16, 17, 18"):
        Quaterion.fit(model, make_trainer(), GroupSimilarityDataLoader(groups, batch_size=8))


def test_a_loss_that_is_not_finite_is_named(build, make_trainer, groups):
    model = build()
    forward = model.loss.forward
    model.loss.forward = lambda *args, **kwargs: forward(*args, **kwargs) + math.nan
    with pytest.raises(
        NotFiniteError, match=r"The loss \(TripletLoss\) is nan in epoch 0, batch 0"
    ):
        Quaterion.fit(model, make_trainer(), GroupSimilarityDataLoader(groups, batch_size=8))


@pytest.mark.parametrize("part", ["head", "encoder"])
def test_broken_weights_are_never_written(vector_encoder, tmp_path, part):
    from quaterion_core.heads import GatedHead

    model = SimilarityModel(vector_encoder(2, 3), GatedHead(3))
    owner = model.head if part == "head" else model.encoders["default"]
    with torch.no_grad():
        next(owner.parameters()).fill_(math.nan)
    with pytest.raises(NotSavableError, match="is NaN or infinite, by a training run"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


# A run that is stopped can be resumed.


class Signalling(pl.Callback):
    """Sends a signal to this process in the middle of a step."""

    def __init__(self, number, step):
        self.number, self.step = number, step

    def on_before_backward(self, trainer, pl_module, loss):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)


class Losses(pl.Callback):
    def __init__(self):
        self.values = {}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.values[trainer.global_step] = float(outputs["loss"])


@pytest.mark.parametrize("step", [1, 3, 5], ids=["first epoch", "end of epoch", "second epoch"])
@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGINT, TrainingInterrupted), (signal.SIGTERM, TrainingTerminated)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_a_signal_stops_after_the_step(
    build, make_trainer, groups, tmp_path, number, error, step, caplog
):
    """SIGTERM ended with exit code 0, and nothing was kept."""
    loader = GroupSimilarityDataLoader(groups, batch_size=8, shuffle=True)
    whole, before, after = Losses(), Losses(), Losses()
    Quaterion.fit(build(), make_trainer(callbacks=[whole]), loader, loader)

    file = tmp_path / "folder" / "kept.ckpt"
    callbacks = [before, Signalling(number, step), InterruptionCallback(file)]
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    torch.manual_seed(0)
    model = build()
    with pytest.raises(error) as caught:
        Quaterion.fit(model, make_trainer(callbacks=callbacks), loader, loader)
    assert caught.value.checkpoint == file
    assert f"stopped after step {step + 1}. Its state is kept" in caplog.text
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    if number == signal.SIGTERM:
        assert caught.value.code == 143

    Quaterion.fit(build(), make_trainer(callbacks=[after]), loader, loader, ckpt_path=file)
    assert {**before.values, **after.values} == pytest.approx(whole.values, rel=1e-5)
    assert [*after.values] == [*range(step + 2, 9)]


def test_a_second_ctrl_c_stops_at_once(build, make_trainer, groups):
    class Impatient(Signalling):
        def on_before_backward(self, trainer, pl_module, loss):
            os.kill(os.getpid(), self.number)
            os.kill(os.getpid(), self.number)

    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    trainer = make_trainer(callbacks=[Impatient(signal.SIGINT, 0)])
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(TrainingInterrupted, match="Nothing of it is kept on disk"):
        Quaterion.fit(build(), trainer, loader)
    assert trainer.global_step == 0
    assert signal.getsignal(signal.SIGINT) is before


def test_what_is_kept_lies_beside_the_other_checkpoints(build, make_trainer, groups, tmp_path):
    checkpoints = pl.callbacks.ModelCheckpoint(tmp_path / "checkpoints", every_n_epochs=100)
    callbacks = [Signalling(signal.SIGTERM, 1), checkpoints]
    trainer = make_trainer(callbacks=callbacks, enable_checkpointing=True)
    with pytest.raises(TrainingTerminated):
        Quaterion.fit(build(), trainer, GroupSimilarityDataLoader(groups, batch_size=8))
    assert (tmp_path / "checkpoints" / "interrupted.ckpt").exists()


def test_a_checkpoint_is_written_whole_or_not_at_all(
    build, make_trainer, groups, tmp_path, monkeypatch
):
    trainer = make_trainer(max_epochs=1)
    Quaterion.fit(build(), trainer, GroupSimilarityDataLoader(groups, batch_size=8))
    file = tmp_path / "last.ckpt"
    trainer.save_checkpoint(file)
    before = file.read_bytes()
    leftover = tmp_path / f".last.ckpt.{2**22 + 1}.part"
    leftover.write_bytes(b"of a process that is gone")

    def full(checkpoint, stream):
        stream.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full)
        with pytest.raises(OSError, match="No space left"):
            trainer.save_checkpoint(file)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["last.ckpt"]
    assert file.read_bytes() == before
    trainer.save_checkpoint(file)
    assert file.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


# What fails is named.


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried"), OutOfMemoryError, "batch_size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9"), OutOfMemoryError, "chunk"),
        (MemoryError(), OutOfMemoryError, "MemoryError"),
        (RuntimeError("DataLoader worker (pid 3) is killed by signal: Killed."), WorkerDiedError,
         "fewer num_workers"),
        (RuntimeError("shapes do not fit"), RuntimeError, "shapes do not fit"),
    ],
)  # fmt: skip
def test_what_the_system_refuses_is_explained(
    build, make_trainer, groups, raised, expected, message
):
    model = build()

    def fail(output):
        raise raised

    at_step(model, 1, fail)
    with pytest.raises(expected, match=message) as caught:
        Quaterion.fit(model, make_trainer(), GroupSimilarityDataLoader(groups, batch_size=8))
    assert raised in (caught.value, caught.value.__cause__)


@pytest.mark.parametrize("is_of_worker", [True, False])
def test_a_broken_pipe_of_a_worker_is_told_from_a_connection_of_the_dataset(
    build, make_trainer, groups, is_of_worker
):
    model = build()

    def fail(output):
        if not is_of_worker:
            raise ConnectionResetError("the server of the data")
        receiver, sender = multiprocessing.Pipe(duplex=False)
        sender.close()
        receiver.recv()  # of a worker that has ended

    at_step(model, 1, fail)
    expected = WorkerDiedError if is_of_worker else ConnectionResetError
    with pytest.raises(expected, match="fewer num_workers" if is_of_worker else "the server"):
        Quaterion.fit(model, make_trainer(), GroupSimilarityDataLoader(groups, batch_size=8))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="needs notes on errors")
@pytest.mark.parametrize("workers", [0, 1])
def test_a_sample_that_raises_is_named(build, make_trainer, groups, workers):
    class Broken(Dataset):
        def __len__(self):
            return 32

        def __getitem__(self, index):
            if index == 13:
                raise KeyError("no such file")
            return groups[index]

    loader = GroupSimilarityDataLoader(Broken(), batch_size=8, num_workers=workers)
    with pytest.raises(KeyError) as caught:
        Quaterion.fit(build(), make_trainer(), loader)
    told = [*getattr(caught.value, "__notes__", []), str(caught.value)]
    assert any("raised by sample 13 of Broken" in text for text in told)


# What was in use before.


def test_early_stopping_starts_afresh_in_another_run(build, make_trainer, groups):
    """The best score of the first run stopped the second one after an epoch."""
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    stopping = pl.callbacks.EarlyStopping("train_loss", patience=1)
    timer = pl.callbacks.Timer()
    for _ in range(2):
        model = build(optimizer={"name": "sgd", "lr": 1e-3})
        model.model.encoders["default"].dropout.p = 0.0
        trainer = make_trainer(callbacks=[stopping, timer], max_epochs=4)
        Quaterion.fit(model, trainer, loader)
        assert trainer.current_epoch == 4
        assert 0 < timer.time_elapsed() < 600


def test_checkpoints_of_another_run_are_not_compared_with(build, make_trainer, groups, tmp_path):
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    callback = pl.callbacks.ModelCheckpoint(tmp_path, monitor="train_loss", filename="{train_loss}")
    for rate in (1e-2, 0.5):
        trainer = make_trainer(
            callbacks=[callback], enable_checkpointing=True, max_epochs=1, limit_train_batches=2
        )
        Quaterion.fit(build(optimizer={"name": "sgd", "lr": rate}), trainer, loader)
        assert float(callback.best_model_score) == float(trainer.callback_metrics["train_loss"])


@pytest.mark.parametrize("limit", [{"max_epochs": 2}, {"max_steps": 8, "max_epochs": -1}])
def test_a_trainer_that_is_done_is_refused(build, make_trainer, groups, limit):
    """It trained nothing, without a word."""
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    model, trainer = build(), make_trainer(**limit)
    Quaterion.fit(model, trainer, loader)
    with pytest.raises(UsedTrainerError, match="nothing left to do: it is in epoch 2 of"):
        Quaterion.fit(model, trainer, loader)
    if "max_steps" not in limit:
        trainer.fit_loop.max_epochs = 3
        Quaterion.fit(model, trainer, loader)
        assert trainer.current_epoch == 3


def test_a_trainer_of_another_model_is_refused(build, make_trainer, groups):
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    trainer = make_trainer(max_epochs=5, limit_train_batches=1)
    Quaterion.fit(build(), trainer, loader)
    trainer.fit_loop.max_epochs = 9
    with pytest.raises(UsedTrainerError, match="has trained another model for 5 steps"):
        Quaterion.fit(build(), trainer, loader)
