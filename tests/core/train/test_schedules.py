import math

import pytest
import pytorch_lightning as pl

from quaterion_core import Quaterion
from quaterion_core.dataset import GroupSimilarityDataLoader
from quaterion_core.train.schedules import Schedule, build_schedule


class Rates(pl.Callback):
    def __init__(self):
        self.values = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.values.append(trainer.optimizers[0].param_groups[0]["lr"])


def rates(vector_encoder, make_trainer, groups, schedule, **arguments):
    model = Quaterion.build(
        encoder=vector_encoder(6, 5),
        loss="triplet",
        optimizer={"name": "sgd", "lr": 0.5},
        schedule=schedule,
    )
    callback = Rates()
    trainer = make_trainer(callbacks=[callback], max_epochs=2, **arguments)
    Quaterion.fit(model, trainer, GroupSimilarityDataLoader(groups, batch_size=8))
    return callback.values


def test_the_learning_rate_goes_down_over_the_whole_training(vector_encoder, make_trainer, groups):
    values = rates(vector_encoder, make_trainer, groups, "linear")
    assert values == pytest.approx([0.5 * (1 - step / 8) for step in range(8)])


def test_it_rises_first(vector_encoder, make_trainer, groups):
    values = rates(vector_encoder, make_trainer, groups, {"name": "cosine", "warm_up": 0.25})
    falling = [0.25 * (1 + math.cos(math.pi * step / 6)) for step in range(6)]
    assert values == pytest.approx([0.25, 0.5, *falling])


def test_steps_are_those_of_the_optimizer(vector_encoder, make_trainer, groups):
    values = rates(vector_encoder, make_trainer, groups, "linear", accumulate_grad_batches=2)
    assert values[::2] == pytest.approx([0.5, 0.375, 0.25, 0.125])


def test_a_training_without_an_end_is_refused():
    with pytest.raises(ValueError, match="Give the trainer max_epochs or max_steps"):
        Schedule("linear").scheduler(None, math.inf)


@pytest.mark.parametrize(
    ("choice", "error", "match"),
    [
        (
            "linaer",
            ValueError,
            "did you mean 'linear'.*: constant, cosine, linear",
        ),
        (
            {"name": "linear", "warm_up": 1.5},
            ValueError,
            "warm_up: Expected a number of at least 0 and less than 1, got 1.5",
        ),
        (
            {"name": "linear", "warmup": 0.1},
            TypeError,
            "no argument 'warmup': did you mean 'warm_up'",
        ),
    ],
)
def test_wrong_choices_are_refused(choice, error, match):
    with pytest.raises(error, match=match):
        build_schedule(choice)
