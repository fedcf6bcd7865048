from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.demos.boring_classes import BoringModel
from torch import nn

from quaterion_core import Quaterion
from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample
from quaterion_core.eval.evaluator import Evaluator
from quaterion_core.eval.pair import RetrievalPrecision
from quaterion_core.eval.samplers import PairSampler
from quaterion_core.mining import MinedPairs, MiningRules
from quaterion_core.train.cache import CacheConfig
from quaterion_core.train.callbacks import HardNegativesCallback


class Recorded(MinedPairs):
    """Remembers before which epochs it was mined."""

    trainer: pl.Trainer

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.epochs = []

    def mine(self, model, **arguments):
        self.epochs.append(self.trainer.current_epoch)
        return super().mine(model, **arguments)


class Batches(pl.Callback):
    """Checks that every batch has the negatives of the last mining."""

    def __init__(self, pairs):
        self.pairs = pairs
        self.seen = 0

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        objects = [p.obj_a for p in self.pairs] + [p.obj_b for p in self.pairs]
        torch.testing.assert_close(batch[0]["data"]["default"], torch.tensor(objects))
        self.seen += 1


def model_of(vector_encoder, loss="contrastive", **arguments):
    torch.manual_seed(0)
    encoder = vector_encoder(6, 4, **arguments)
    encoder.dropout = nn.Identity()
    return Quaterion.build(
        encoder=encoder,
        head="skip-connection",
        loss=loss,
        optimizer={"name": "adam", "lr": 0.05},
        cache=None if arguments.get("trainable", True) else CacheConfig(),
    )


def fit(make_trainer, model, pairs, callback, **arguments):
    batches = Batches(pairs)
    trainer = make_trainer(callbacks=[callback, batches], **arguments)
    pairs.trainer = trainer
    Quaterion.fit(model, trainer, PairsSimilarityDataLoader(pairs, batch_size=len(pairs)))
    return trainer, batches


@pytest.mark.parametrize(
    ("every", "first", "expected"),
    [
        (1, 0, [0, 1, 2, 3, 4]),
        (2, 0, [0, 2, 4]),
        (10, 0, [0]),
        (2, 1, [1, 3]),
        (1, 3, [3, 4]),
        (1, 9, []),
    ],
)
def test_it_mines_before_the_epochs_that_were_asked_for(
    make_trainer, pairs, vector_encoder, every, first, expected
):
    mined = Recorded(pairs, rules=MiningRules(negatives_per_query=2))
    callback = HardNegativesCallback(mined, every, first)
    _, batches = fit(make_trainer, model_of(vector_encoder), mined, callback, max_epochs=5)
    assert mined.epochs == expected
    assert mined.revision == len(expected)
    if first == 0:
        assert batches.seen == 5


def test_a_training_that_goes_on_has_the_negatives_that_it_had(
    make_trainer, pairs, vector_encoder, tmp_path
):
    class Saving(Batches):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch == 2:
                trainer.save_checkpoint(tmp_path / "three.ckpt")

    rules = MiningRules(negatives_per_query=2, choose="random", ranks=(1, 10))
    mined = [Recorded(pairs, rules=rules) for _ in range(2)]
    for part, callback, path in [
        (mined[0], Saving(mined[0]), None),
        (mined[1], Batches(mined[1]), str(tmp_path / "three.ckpt")),
    ]:
        negatives = HardNegativesCallback(part, 2)
        part.trainer = make_trainer(callbacks=[negatives, callback], max_epochs=7)
        loader = PairsSimilarityDataLoader(part, batch_size=len(part))
        Quaterion.fit(model_of(vector_encoder), part.trainer, loader, ckpt_path=path)
    assert [part.epochs for part in mined] == [[0, 2, 4, 6], [4, 6]]
    assert [part.revision for part in mined] == [4, 4]
    assert list(mined[0]) == list(mined[1])


def test_processes_mine_and_train_like_one(tmp_path, start_script, torchrun):
    script = Path(__file__).with_name("mine_in_processes.py")
    running = [start_script(script, 1, tmp_path)]
    running += [start_script(script, 2, tmp_path, **rank) for rank in torchrun(2)]
    for result in [process.wait() for process in running]:
        assert result.returncode == 0, result.stderr[-3000:]
    alone = torch.load(tmp_path / "1 processes, rank 0.pt")
    for rank in (0, 1):
        torch.testing.assert_close(torch.load(tmp_path / f"2 processes, rank {rank}.pt"), alone)


def test_a_checkpoint_of_other_data_is_refused(pairs):
    callbacks = [
        HardNegativesCallback(MinedPairs(pairs, rules=MiningRules(negatives_per_query=count)))
        for count in (1, 2)
    ]
    with pytest.raises(
        ValueError, match="negatives_per_query=1 for 16 queries.* got negatives_per_query=2 for 16"
    ):
        callbacks[0].load_state_dict(callbacks[1].state_dict())


def test_the_model_is_left_as_it_was(make_trainer, pairs, vector_encoder):
    class Modes(pl.Callback):
        modes = []

        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            self.modes.append((pl_module.model.training, torch.is_grad_enabled()))

    mined, modes = MinedPairs(pairs), Modes()
    trainer = make_trainer(callbacks=[HardNegativesCallback(mined), modes])
    Quaterion.fit(model_of(vector_encoder), trainer, PairsSimilarityDataLoader(mined, batch_size=9))
    assert set(modes.modes) == {(True, True)}


def noisy_pairs(count):
    """Pairs that are distinguished by three numbers, beside three larger ones of noise."""
    generator = torch.Generator().manual_seed(1)
    meaning = torch.randn(count, 3, generator=generator)
    a, b = (
        torch.cat((meaning, 3 * torch.randn(count, 3, generator=generator)), dim=1).tolist()
        for _ in range(2)
    )
    return [SimilarityPairSample(*objects) for objects in zip(a, b, strict=True)]


def test_training_on_hard_negatives_finds_partners(make_trainer, vector_encoder):
    samples = noisy_pairs(60)
    model = model_of(vector_encoder, loss="multiple-negatives-ranking")
    evaluator = Evaluator(
        {"p": RetrievalPrecision()}, PairSampler(distinguish=True, log_progress=False)
    )
    before = Quaterion.evaluate(evaluator, samples, model.model)["p"]
    mined = MinedPairs(samples, rules=MiningRules(negatives_per_query=2, ranks=(1, 10)))
    callback = HardNegativesCallback(mined, every_n_epochs=5)
    loader = PairsSimilarityDataLoader(mined, batch_size=60)
    trainer = make_trainer(callbacks=[callback], max_epochs=20)
    Quaterion.fit(model, trainer, loader, batch_sampler="no-duplicates")
    after = Quaterion.evaluate(evaluator, samples, model.model)["p"]
    assert before < 0.2
    assert after > 0.8


def test_a_cached_encoder_is_refused_with_the_way_out(make_trainer, pairs, vector_encoder):
    mined = MinedPairs(pairs)
    trainer = make_trainer(callbacks=[HardNegativesCallback(mined)])
    loader = PairsSimilarityDataLoader(mined, batch_size=8)
    with pytest.raises(ValueError, match="'default' is cached.*Train without a cache, or mine"):
        Quaterion.fit(model_of(vector_encoder, trainable=False), trainer, loader)


def test_pairs_that_are_not_trained_on_are_refused(make_trainer, pairs, vector_encoder):
    trainer = make_trainer(callbacks=[HardNegativesCallback(MinedPairs(pairs))])
    with pytest.raises(ValueError, match="the training loader does not read"):
        Quaterion.fit(model_of(vector_encoder), trainer, PairsSimilarityDataLoader(pairs))


def test_a_module_that_holds_no_model_is_refused(make_trainer, pairs):
    trainer = make_trainer(callbacks=[HardNegativesCallback(MinedPairs(pairs))])
    with pytest.raises(TypeError, match="used with a TrainableModel, got"):
        trainer.fit(BoringModel(), [1])


@pytest.mark.parametrize("arguments", [{"every_n_epochs": 0}, {"first_epoch": -1}])
def test_numbers_out_of_range_are_refused(pairs, arguments):
    with pytest.raises(ValueError, match="at least"):
        HardNegativesCallback(MinedPairs(pairs), **arguments)
