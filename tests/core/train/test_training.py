"""What a training run takes over from its arguments, and what it asks the model."""

import pytest
import pytorch_lightning as pl
import torch

from quaterion_core import Quaterion
from quaterion_core.dataset import GroupSimilarityDataLoader
from quaterion_core.train.cache import CacheConfig


@pytest.fixture
def build(vector_encoder):
    def build(trainable=True, **arguments):
        torch.manual_seed(0)
        encoder = vector_encoder(6, 5, trainable=trainable)
        return Quaterion.build(encoder=encoder, head="gated", loss="triplet", **arguments)

    return build


class Batches(pl.Callback):
    """Remembers the groups of each training batch."""

    def __init__(self):
        self.groups = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.groups.append(batch[1]["groups"].tolist())


@pytest.mark.parametrize("cache", [None, CacheConfig()], ids=["plain", "cached"])
def test_a_batch_sampler_makes_the_batches_that_are_overfitted(build, make_trainer, groups, cache):
    """It was dropped without a word."""
    batches = Batches()
    trainer = make_trainer(callbacks=[batches], overfit_batches=2, max_epochs=3)
    Quaterion.fit(
        build(trainable=cache is None, cache=cache),
        trainer,
        GroupSimilarityDataLoader(groups, batch_size=8),
        batch_sampler={"name": "groups", "samples_per_group": 4},
    )
    first, second = batches.groups[:2]
    assert batches.groups == 3 * [first, second]  # the same ones in every epoch
    for batch in (first, second):
        assert sorted(batch.count(group) for group in set(batch)) == [4, 4]


@pytest.mark.parametrize("trainer", ["given", "default"])
def test_the_cache_is_configured_once(build, make_trainer, groups, trainer, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    asked = []

    def configure():
        asked.append(CacheConfig())
        return asked[-1]

    model = build(trainable=False)
    model.configure_caches = configure
    given = make_trainer() if trainer == "given" else None
    loader = GroupSimilarityDataLoader(groups, batch_size=32)
    with Quaterion.prepare(model, given, loader):
        pass
    assert len(asked) == 1


def test_a_checkpoint_without_a_cache_is_resumed_with_one(build, make_trainer, groups, tmp_path):
    """Frozen weights that are not in use were an unexpected key."""
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    first = make_trainer(max_epochs=1)
    plain = build(trainable=False)
    Quaterion.fit(plain, first, loader)
    first.save_checkpoint(tmp_path / "plain.ckpt")

    cached = build(trainable=False, cache=CacheConfig())
    again = make_trainer(max_epochs=2)
    Quaterion.fit(cached, again, loader, ckpt_path=tmp_path / "plain.ckpt")
    assert again.global_step == 8


def test_substitutes_of_substitutes_are_taken_back(build, vector_encoder):
    model = build().model
    own = model.encoders["default"]
    other, third = vector_encoder(6, 5), vector_encoder(6, 5)
    objects = [[1.0] * 6]
    expected = model.encode(objects)
    with model.substituting({"default": other}):
        replaced = model.encode(objects)
        with model.substituting({"default": third}):
            assert model.encoders["default"] is own
            assert set(third.parameters()) < set(model.parameters())
        assert (model.encode(objects) == replaced).all()
        with model.substituting({"default": own}):
            assert (model.encode(objects) == expected).all()
    assert (model.encode(objects) == expected).all()
    assert (replaced != expected).any()
    assert not set(other.parameters()) & set(model.parameters())
