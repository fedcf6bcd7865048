"""Lightning's own functions, with a trainable model and a loader of ours."""

import pytest
import torch
from torch.utils.data import DataLoader

from quaterion_core import Quaterion
from quaterion_core.dataset import GroupSimilarityDataLoader, PairsSimilarityDataLoader
from quaterion_core.eval.group import RetrievalRPrecision
from quaterion_core.train.cache import CacheConfig


@pytest.fixture
def build(vector_encoder):
    def build(trainable=True, loss="triplet", **arguments):
        torch.manual_seed(0)
        encoder = vector_encoder(6, 5, trainable=trainable)
        encoder.dropout = torch.nn.Identity()
        return Quaterion.build(encoder=encoder, head="gated", loss=loss, **arguments)

    return build


METRICS = {"metrics": {"precision": RetrievalRPrecision()}}


@pytest.mark.parametrize("loss", ["triplet", {"name": "arcface", "num_groups": 4}])
def test_a_trainer_trains_as_fit_does(build, make_trainer, groups, loss):
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    plain, ours = build(loss=loss, **METRICS), build(loss=loss, **METRICS)
    plain.setup_dataloader(loader)  # as scripts for Quaterion 0.1 do
    trainer, reference = make_trainer(), make_trainer()
    trainer.fit(plain, loader, loader)
    Quaterion.fit(ours, reference, loader, loader)
    torch.testing.assert_close(plain.state_dict(), ours.state_dict())
    assert trainer.callback_metrics.keys() == reference.callback_metrics.keys()
    torch.testing.assert_close(dict(trainer.callback_metrics), dict(reference.callback_metrics))


def test_pairs_train_too(build, make_trainer, pairs):
    model = build(loss="multiple-negatives-ranking")
    trainer = make_trainer()
    trainer.fit(model, PairsSimilarityDataLoader(pairs, batch_size=8))
    assert trainer.global_step == 4


@pytest.mark.parametrize("stage", ["validate", "test"])
def test_a_trainer_evaluates_whole_datasets(build, make_trainer, groups, stage):
    """The loader's batches were indexed as if they were collated."""
    model = build(**METRICS)
    loader = GroupSimilarityDataLoader(groups, batch_size=5)
    name = {"validate": "validation", "test": "test"}[stage]
    (figures,) = getattr(make_trainer(), stage)(model, loader, verbose=False)
    embeddings = model.model.encode([sample.obj for sample in groups], to_numpy=False)
    targets = GroupSimilarityDataLoader.collate_labels(groups)
    expected = float(RetrievalRPrecision().compute(embeddings, **targets))
    assert figures[f"precision_{name}"] == pytest.approx(expected)
    assert f"{name}_loss" in figures


def test_a_trainer_predicts_embeddings(build, make_trainer, groups):
    model = build()
    found = make_trainer().predict(model, GroupSimilarityDataLoader(groups, batch_size=5))
    expected = model.model.encode([sample.obj for sample in groups], to_numpy=False)
    torch.testing.assert_close(torch.cat(found), expected)


def test_a_cache_that_is_not_used_is_told_of(build, make_trainer, groups):
    model = build(trainable=False, cache=CacheConfig())
    with pytest.warns(UserWarning, match=r"'default' is not cached.* Quaterion\.fit"):
        make_trainer().fit(model, GroupSimilarityDataLoader(groups, batch_size=8))


def test_an_encoder_augments_training_data_alone(build, make_trainer, groups):
    model = build()
    encoder = model.model.encoders["default"]
    seen = {"train": 0, "other": 0}

    def collate(kind):
        def count(objects):
            seen[kind] += len(objects)
            return torch.tensor(objects)

        return count

    encoder.get_collate_fn = lambda: collate("other")
    encoder.get_train_collate_fn = lambda: collate("train")
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    make_trainer(max_epochs=1, num_sanity_val_steps=0).fit(model, loader, loader)
    assert seen == {"train": 32, "other": 32}


def test_other_loaders_are_refused(build, make_trainer, groups):
    points = torch.tensor([sample.obj for sample in groups])
    with pytest.raises(TypeError, match="Expected batches of a PairsSimilarityDataLoader"):
        make_trainer().fit(build(), DataLoader(points, batch_size=8))
