"""Trains a model with everything that has a state, and may be killed; run as a script.

Arguments: folder for checkpoints, the step after which to be killed (0 for never), and a checkpoint
to go on from, if any. Prints the loss of every step.
"""

from __future__ import annotations

import os
import signal
import sys

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn

from quaterion_core import Quaterion, TrainableModel
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.encoders import Encoder
from quaterion_core.heads import SkipConnectionHead
from quaterion_core.loss import ArcFaceLoss
from quaterion_core.train.xbm import XbmConfig

STEPS = 24


class Noisy(Encoder):
    """A trainable map after dropout, of objects that the collate function augments at random."""

    trainable, embedding_size = True, 5

    def __init__(self):
        super().__init__()
        self.map = nn.Sequential(nn.Dropout(0.3), nn.Linear(4, 5))

    def get_collate_fn(self):
        return lambda points: torch.tensor(points) + 0.1 * torch.randn(len(points), 4)

    def forward(self, batch):
        return self.map(batch)


class Model(TrainableModel):
    """Dropout, a loss with centres of its own, a memory and a schedule."""

    def configure_encoders(self):
        return Noisy()

    def configure_head(self, input_embedding_size):
        return SkipConnectionHead(input_embedding_size, dropout=0.2)

    def configure_loss(self):
        return ArcFaceLoss(5, 4, scale=4.0)

    def configure_xbm(self):
        return XbmConfig(buffer_size=30, start_iteration=3)

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class Print(pl.Callback):
    """Prints the loss of each step, and may kill the process after one of them."""

    def __init__(self, last):
        self.last = last

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        print(trainer.global_step, float(outputs["loss"]), flush=True)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if self.last and trainer.global_step == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


def main(folder, last, checkpoint=None):
    torch.manual_seed(0)
    points = torch.randn(33, 4).tolist()
    samples = [SimilarityGroupSample(point, n % 4) for n, point in enumerate(points)]
    # Random numbers drawn in a new process before it resumes have no influence.
    torch.manual_seed(1 if checkpoint is None else 2)
    trainer = pl.Trainer(
        max_epochs=6, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder,
        callbacks=[
            Print(int(last)),
            ModelCheckpoint(folder, filename="{step}", every_n_train_steps=1, save_top_k=-1),
        ],
    )  # fmt: skip
    loader = GroupSimilarityDataLoader(samples, batch_size=8, shuffle=True, drop_last=True)
    Quaterion.fit(Model(), trainer, loader, ckpt_path=checkpoint)


if __name__ == "__main__":
    main(*sys.argv[1:])
