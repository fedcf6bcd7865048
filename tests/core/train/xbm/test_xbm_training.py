import copy

import pytest
import pytorch_lightning as pl
import torch

from quaterion_core import Quaterion, TrainableModel
from quaterion_core.dataset import GroupSimilarityDataLoader, PairsSimilarityDataLoader
from quaterion_core.heads import GatedHead
from quaterion_core.loss import MultipleNegativesRankingLoss, OnlineContrastiveLoss, TripletLoss
from quaterion_core.train.xbm import XbmConfig


class Losses(pl.Callback):
    def __init__(self):
        self.values = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.values.append(float(outputs["loss"]))


@pytest.fixture
def make_model(vector_encoder):
    class Model(TrainableModel):
        def __init__(self, loss, config):
            self._choice = loss, config
            torch.manual_seed(0)
            super().__init__()

        def configure_encoders(self):
            return vector_encoder(6, 5, trainable=False)

        def configure_head(self, input_embedding_size):
            return GatedHead(input_embedding_size)

        def configure_loss(self):
            return self._choice[0]

        def configure_xbm(self):
            return self._choice[1]

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-20)

    return Model


def losses(model, make_trainer, groups, **arguments):
    callback = Losses()
    trainer = make_trainer(callbacks=[callback], **arguments)
    Quaterion.fit(model, trainer, GroupSimilarityDataLoader(groups, batch_size=8))
    return callback.values


@pytest.mark.parametrize("loss", [TripletLoss(mining="all"), OnlineContrastiveLoss()])
def test_the_memory_takes_part_from_the_start_iteration_on(make_model, make_trainer, groups, loss):
    plain = losses(make_model(loss, None), make_trainer, groups)
    config = XbmConfig(weight=2.0, buffer_size=12, start_iteration=3)
    model = make_model(loss, config)
    remembered = losses(model, make_trainer, groups)
    assert remembered[:3] == pytest.approx(plain[:3])
    embeddings = [
        model.model.encode([sample.obj for sample in groups[n : n + 8]], to_numpy=False)
        for n in (8, 16, 24)
    ]
    targets = GroupSimilarityDataLoader.collate_labels(groups)["groups"]
    memory, memory_targets = torch.cat(embeddings[:2])[4:], targets[12:24]
    expected = plain[3] + 2.0 * loss.xbm_loss(embeddings[2], targets[24:], memory, memory_targets)
    assert remembered[3] == pytest.approx(float(expected), rel=1e-5)


def test_a_batch_larger_than_the_memory_works(make_model, make_trainer, groups):
    model = make_model(TripletLoss(), XbmConfig(buffer_size=3, start_iteration=0))
    assert len(losses(model, make_trainer, groups)) == 8
    assert model._xbm_buffer.is_full


def test_a_checkpoint_holds_the_memory(make_model, make_trainer, groups, tmp_path):
    config = XbmConfig(buffer_size=12, start_iteration=0)
    model = make_model(TripletLoss(), config)
    callback = Losses()
    trainer = make_trainer(callbacks=[callback], max_epochs=1)
    loader = GroupSimilarityDataLoader(groups, batch_size=8)
    Quaterion.fit(model, trainer, loader)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    resumed = Losses()
    Quaterion.fit(
        make_model(TripletLoss(), config),
        make_trainer(callbacks=[resumed], max_epochs=2),
        loader,
        ckpt_path=str(tmp_path / "half.ckpt"),
    )
    whole = losses(make_model(TripletLoss(), config), make_trainer, groups, max_epochs=2)
    assert resumed.values == pytest.approx(whole[4:], rel=1e-5)


def test_pairs_are_remembered_too(make_model, make_trainer, pairs):
    found = {}
    loader = PairsSimilarityDataLoader(pairs, batch_size=4)
    for config in (None, XbmConfig(weight=2.0, buffer_size=12, start_iteration=1)):
        callback = Losses()
        model = make_model(MultipleNegativesRankingLoss(), config)
        Quaterion.fit(model, make_trainer(callbacks=[callback]), loader)
        found[config is None] = callback.values
    (first, first_targets), (second, second_targets) = list(loader)[:2]
    embeddings = [torch.from_numpy(model.model.encode(objects)) for objects in (first, second)]
    memory = {f"memory_{name}": values for name, values in first_targets.items()}
    added = model.loss.xbm_loss(
        embeddings[1], **second_targets, memory_embeddings=embeddings[0], **memory
    )
    assert found[False][0] == found[True][0]
    assert found[False][1] == pytest.approx(found[True][1] + 2.0 * float(added))


@pytest.mark.parametrize("distance", ["cosine", "dot_product"])
def test_what_comes_in_next_does_not_touch_the_graph(make_model, make_trainer, groups, distance):
    loss = TripletLoss(distance_metric_name=distance)
    model = make_model(loss, XbmConfig(buffer_size=8, start_iteration=0))
    assert len(losses(model, make_trainer, groups, max_epochs=2)) > 2


def test_models_with_a_memory_can_be_copied(make_model):
    model = make_model(TripletLoss(), XbmConfig(buffer_size=2))
    assert copy.deepcopy(model)._xbm_buffer.get()[0].shape == (0, 5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_memory_may_lie_on_the_cpu_while_the_model_is_on_the_gpu(
    make_model, make_trainer, groups
):
    values = []
    for device in ("cpu", "auto"):
        config = XbmConfig(buffer_size=12, start_iteration=0, device=device)
        model = make_model(TripletLoss(mining="all"), config)
        values.append(losses(model, make_trainer, groups, accelerator="gpu"))
    assert values[0] == pytest.approx(values[1], rel=1e-5)
