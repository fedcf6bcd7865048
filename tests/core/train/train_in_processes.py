"""Trains a small cached model in some processes and saves its head; run as a script.

Arguments: number of processes, batch size of each, folder for the result.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytorch_lightning as pl
import torch

from quaterion_core import Quaterion, TrainableModel
from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample
from quaterion_core.encoders import Encoder
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.pair import RetrievalPrecision
from quaterion_core.heads import SkipConnectionHead
from quaterion_core.loss import MultipleNegativesRankingLoss
from quaterion_core.train.cache import CacheConfig


class Map(Encoder):
    """A fixed map, which notes in a file how many objects it embedded."""

    trainable = False
    embedding_size = 5

    def __init__(self, file):
        super().__init__()
        self.file = file
        self.weight = torch.nn.Parameter(torch.arange(15.0).reshape(3, 5).cos())

    def get_collate_fn(self):
        return torch.tensor

    def forward(self, batch):
        with self.file.open("a") as stream:
            stream.write("x" * len(batch))
        return batch @ self.weight

    def get_config_dict(self):
        return {"file": str(self.file)}


class Model(TrainableModel):
    """A skip-connection head over the map."""

    def __init__(self, folder):
        self._folder = folder
        super().__init__()

    def configure_encoders(self):
        return Map(self._folder / "embedded.txt")

    def configure_head(self, input_embedding_size):
        return SkipConnectionHead(input_embedding_size)

    def configure_loss(self):
        return MultipleNegativesRankingLoss(symmetric=True)

    def configure_metrics(self):
        return AttachedMetric("hits", RetrievalPrecision())

    def configure_caches(self):
        return CacheConfig()

    def configure_optimizers(self):
        return torch.optim.SGD(self.model.parameters(), lr=0.5)


if __name__ == "__main__":
    processes, batch_size, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    pl.seed_everything(0)
    points = torch.randn(24, 2, 3).tolist()
    samples = [SimilarityPairSample(a, b) for a, b in points]
    model = Model(folder)
    trainer = pl.Trainer(
        max_epochs=9, accelerator="cpu", devices=processes, logger=False,
        strategy="ddp" if processes > 1 else "auto", enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
    )  # fmt: skip
    loader = PairsSimilarityDataLoader(samples, batch_size=batch_size)
    Quaterion.fit(model, trainer, loader, loader)
    if trainer.is_global_zero:
        hits = trainer.callback_metrics["hits_validation"]
        torch.save({**model.model.head.state_dict(), "hits": hits}, folder / "result.pt")
