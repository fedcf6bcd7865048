"""Tests of training runs with every loss, head and metric of the package, by name."""

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from quaterion_core import Quaterion, SimilarityModel
from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample
from quaterion_core.encoders import Encoder
from quaterion_core.plugins import registry

LOSSES = [r.id for r in registry.components("loss") if r.id.startswith("quaterion-nlp/")]
HEAD = {"name": "quaterion-nlp/normalized-projection", "output_size": 4}
METRICS = ["quaterion-nlp/pearson", "quaterion-nlp/spearman"]


class Vectors(Encoder):
    """A linear layer over lists of six numbers."""

    trainable, embedding_size = True, 5

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 5)

    def get_collate_fn(self):
        return torch.tensor

    def forward(self, batch):
        return self.layer(batch)

    def get_config_dict(self):
        return {}


@pytest.mark.filterwarnings("ignore:You called", "ignore:.*LeafSpec")
@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_learns_graded_pairs_and_the_head_is_served(loss, tmp_path, quiet_trainer):
    pl.seed_everything(0, verbose=False)
    points = torch.randn(12, 2, 6).tolist()
    samples = [
        SimilarityPairSample(a, b, score=n % 4 / 3, subgroup=n // 4)
        for n, (a, b) in enumerate(points)
    ]
    model = Quaterion.build(encoder=Vectors(), head=HEAD, loss=loss, metrics=METRICS)
    trainer = quiet_trainer(max_epochs=20, num_sanity_val_steps=0)
    loader = PairsSimilarityDataLoader(samples, batch_size=12)
    first = model.loss(**batch_of(model, samples)).item()
    Quaterion.fit(model, trainer, loader, PairsSimilarityDataLoader(samples, batch_size=12))
    assert model.loss(**batch_of(model, samples)).item() < first
    assert {"pearson_validation", "spearman_validation"} <= set(trainer.callback_metrics)
    model.save_servable(tmp_path / "model")
    components = {"local/vectors": Vectors}
    served = SimilarityModel.load(tmp_path / "model", components=components)
    objects = [sample.obj_a for sample in samples]
    assert (served.encode(objects) == model.model.encode(objects)).all()


def batch_of(model, samples):
    objects, targets = PairsSimilarityDataLoader.pre_collate_fn(samples)
    return {"embeddings": model.model.encode(objects, to_numpy=False), **targets}
