"""Fills a cache slowly, for a test that kills it; run as a script."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytorch_lightning as pl
import torch

from quaterion_core import Quaterion, TrainableModel
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.encoders import Encoder
from quaterion_core.heads import GatedHead
from quaterion_core.loss import TripletLoss
from quaterion_core.train.cache import CacheConfig, filling


class Slow(Encoder):
    """Embeds texts by a fixed linear map, of which matrix kernels round each batch differently."""

    trainable = False
    embedding_size = 24

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.nn.Parameter(torch.randn(200, 24, generator=generator))

    def get_collate_fn(self):
        return lambda texts: torch.tensor(
            [[float(ord(c) % 7) for c in text.ljust(200)] for text in texts]
        )

    def get_length_fn(self):
        return lambda texts: [len(text) for text in texts]

    def forward(self, batch):
        time.sleep(0.002)
        return batch @ self.weight

    def get_config_dict(self):
        return {}


class Model(TrainableModel):
    """A gated head over the slow encoder."""

    def __init__(self, folder):
        self._folder = folder
        super().__init__()

    def configure_encoders(self):
        return Slow()

    def configure_head(self, input_embedding_size):
        return GatedHead(input_embedding_size)

    def configure_loss(self):
        return TripletLoss()

    def configure_caches(self):
        return CacheConfig(save_dir=self._folder, batch_size=4)


if __name__ == "__main__":
    filling.SECONDS_BETWEEN_COMMITS = 0.02
    samples = [SimilarityGroupSample("word " * (n % 37) + str(n), n % 5) for n in range(2000)]
    trainer = pl.Trainer(
        max_steps=1, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=Path(sys.argv[1]),
    )  # fmt: skip
    Quaterion.fit(Model(sys.argv[1]), trainer, GroupSimilarityDataLoader(samples, batch_size=64))
    print("done", flush=True)
