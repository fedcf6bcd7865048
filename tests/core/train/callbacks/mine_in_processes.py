"""Trains on negatives that are mined before every epoch, in some processes; run as a script.

Arguments: number of processes, folder for the results.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytorch_lightning as pl
import torch

from quaterion_core import Quaterion
from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample
from quaterion_core.encoders import Encoder
from quaterion_core.mining import MinedPairs, MiningRules
from quaterion_core.train.callbacks import HardNegativesCallback


class Linear(Encoder):
    """A trainable linear map of lists of numbers."""

    trainable = True
    embedding_size = 4

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(5, 4)

    def get_collate_fn(self):
        return torch.tensor

    def forward(self, batch):
        return self.layer(batch)


def main(processes, folder):
    torch.manual_seed(0)
    points = torch.randn(24, 2, 5).tolist()
    pairs = MinedPairs(
        [SimilarityPairSample(a, b) for a, b in points], rules=MiningRules(negatives_per_query=2)
    )
    model = Quaterion.build(
        encoder=Linear(),
        loss="multiple-negatives-ranking",
        optimizer={"name": "sgd", "lr": 0.01},
    )
    trainer = pl.Trainer(
        max_epochs=3, accelerator="cpu", devices=processes, logger=False,
        strategy="ddp" if processes > 1 else "auto", enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
        callbacks=[HardNegativesCallback(pairs)],
    )  # fmt: skip
    loader = PairsSimilarityDataLoader(pairs, batch_size=12 // processes)
    pl.seed_everything(0)  # Lightning seeds again when it starts several processes
    Quaterion.fit(model, trainer, loader, batch_sampler="no-duplicates")
    torch.save(
        {"negatives": pairs.negatives.clone(), **model.model.state_dict()},
        folder / f"{processes} processes, rank {trainer.global_rank}.pt",
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
