"""Training runs with every loss, head and metric of the package, by present and former id."""

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from quaterion_core import Quaterion, SimilarityModel
from quaterion_core.dataset import SimilarityGroupSample, SimilarityPairSample
from quaterion_core.dataset.similarity_data_loader import loader_for
from quaterion_core.encoders import Encoder
from quaterion_core.loss import GroupLoss
from quaterion_core.plugins import registry

LOSSES = [r.id for r in registry.components("loss") if r.id.startswith("quaterion-cv/")]
LOSSES += ["quaterion-cv/multi-similarity", "quaterion-cv/nt-xent"]  # former ids
LOSSES += ["quaterion-cv/proxy-anchor", "quaterion-cv/supcon"]
HEAD = "quaterion-cv/bn-neck"
OF_GROUPS = [
    {"name": "recall-at-k", "k": 2},
    "map-at-r",
    {"name": "one-shot-accuracy", "ways": 3},
    "roc-auc",
    {"name": "tar-at-far", "far": 0.1},
]
OF_PAIRS = ["pair-roc-auc", {"name": "pair-tar-at-far", "far": 0.1}]


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


def samples_for(loss):
    points = torch.randn(16, 2, 6).tolist()
    if issubclass(registry.load("loss", loss), GroupLoss):
        return [SimilarityGroupSample(a, group=f"group {n % 4}") for n, (a, _) in enumerate(points)]
    return [SimilarityPairSample(a, b, score=float(n % 4 > 0)) for n, (a, b) in enumerate(points)]


@pytest.mark.filterwarnings("ignore:You called", "ignore:.*LeafSpec")
@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_learns_and_the_head_is_served(loss, tmp_path, quiet_trainer):
    pl.seed_everything(0, verbose=False)
    samples = samples_for(loss)
    metrics = OF_GROUPS if isinstance(samples[0], SimilarityGroupSample) else OF_PAIRS
    model = Quaterion.build(encoder=Vectors(), head=HEAD, loss=loss, metrics=metrics, data=samples,
                            optimizer={"name": "adam", "lr": 0.01})  # fmt: skip
    trainer = quiet_trainer(max_epochs=20, num_sanity_val_steps=0)
    loader = loader_for(samples[0])
    losses = []
    model.loss.register_forward_hook(lambda module, args, value: losses.append(value.item()))
    Quaterion.fit(model, trainer, loader(samples, batch_size=16), loader(samples, batch_size=16))
    assert losses[-1] < losses[1]
    names = {name for name in trainer.callback_metrics if name.endswith("_validation")}
    assert len(names) == len(metrics)
    model.save_servable(tmp_path / "model")
    served = SimilarityModel.load(tmp_path / "model", components={"local/vectors": Vectors})
    objects = [getattr(sample, "obj", None) or sample.obj_a for sample in samples]
    assert (served.encode(objects) == model.model.encode(objects)).all()
