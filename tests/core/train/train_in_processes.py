"""Trains a small model in some processes; run as a script.

Arguments: a JSON object of settings, and a folder for the result: the loss of every step, what was
learned, what is remembered, and a metric of the validation data.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import IterableDataset

from quaterion_core import Quaterion, TrainableModel
from quaterion_core.components import build_component
from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.encoders import Encoder
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.group import RetrievalRPrecision
from quaterion_core.eval.pair import RetrievalPrecision
from quaterion_core.heads import SkipConnectionHead
from quaterion_core.train.cache import CacheConfig
from quaterion_core.train.xbm import XbmConfig

SAMPLES = 27
"""No multiple of any batch size."""


class Map(Encoder):
    """A linear map, which notes in a file how many objects it embedded."""

    embedding_size = 5

    def __init__(self, file, trainable):
        super().__init__()
        self.file = file
        self.is_trainable = trainable
        self.weight = torch.nn.Parameter(torch.arange(15.0).reshape(3, 5).cos())

    @property
    def trainable(self):
        return self.is_trainable

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

    def __init__(self, settings, folder):
        self._settings, self._folder = settings, folder
        super().__init__()

    def configure_encoders(self):
        return Map(self._folder / "embedded.txt", trainable=not self._settings["cache"])

    def configure_head(self, input_embedding_size):
        return SkipConnectionHead(input_embedding_size, dropout=self._settings.get("dropout", 0.0))

    def configure_loss(self):
        return build_component("loss", self._settings["loss"])

    def configure_metrics(self):
        pairs = self._settings["pairs"]
        return AttachedMetric("hits", RetrievalPrecision() if pairs else RetrievalRPrecision())

    def configure_caches(self):
        return CacheConfig() if self._settings["cache"] else None

    def configure_xbm(self):
        return XbmConfig(**self._settings["xbm"]) if "xbm" in self._settings else None

    def configure_optimizers(self):
        return torch.optim.SGD(self.model.parameters(), lr=0.1)


class Losses(pl.Callback):
    """Notes the loss of every step."""

    def __init__(self):
        self.values = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.values.append(float(outputs["loss"]))


def samples_of(settings):
    points = torch.randn(SAMPLES, 2, 3)
    if settings["pairs"]:
        return [SimilarityPairSample(a, b) for a, b in points.tolist()]
    groups = torch.arange(SAMPLES) % 6
    near = (points[:6, 0][groups] + 0.5 * points[:, 0]).tolist()
    return [SimilarityGroupSample(x, g) for x, g in zip(near, groups.tolist(), strict=True)]


class Stream(IterableDataset):
    """Gives the samples of each process in turn; the first process has the fewest."""

    def __init__(self, samples, processes):
        self.samples, self.processes = samples, processes

    def __iter__(self):
        rank = dist.get_rank() if self.processes > 1 else 0
        return iter(self.samples[rank :: self.processes] + self.samples[: 12 * rank])


def main(settings, folder):
    pl.seed_everything(1)  # Lightning seeds again when it starts several processes
    samples = samples_of(settings)
    model = Model(settings, folder)
    processes = settings["processes"]
    losses = Losses()
    trainer = pl.Trainer(
        max_epochs=4, accelerator="cpu", devices=processes, logger=False,
        callbacks=[losses, ModelCheckpoint(folder, "{step}", every_n_train_steps=5, save_top_k=-1)],
        strategy=settings.get("strategy", "ddp") if processes > 1 else "auto",
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
    )  # fmt: skip
    loader_type = PairsSimilarityDataLoader if settings["pairs"] else GroupSimilarityDataLoader
    if settings.get("stream"):
        loader = loader_type(Stream(samples, processes), batch_size=3)
    else:
        loader = loader_type(samples, batch_size=12 // processes, shuffle=True)
    Quaterion.fit(
        model, trainer, loader, loader_type(samples, batch_size=12 // processes),
        ckpt_path=settings.get("checkpoint"),
        batch_sampler=settings.get("batch_sampler"),
        grad_cache_chunk=settings.get("grad_cache_chunk"),
    )  # fmt: skip
    state = {**model.model.state_dict(), **model.loss.state_dict()}
    if "xbm" in settings:
        state["memory"] = model._xbm_buffer.recall(torch.zeros(1))[0]
    hits = trainer.callback_metrics["hits_validation"]
    validation = trainer.callback_metrics["validation_loss"]
    torch.save(
        {"losses": torch.tensor(losses.values), "hits": hits, "validation": validation, **state},
        folder / f"rank{trainer.global_rank}.pt",
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
