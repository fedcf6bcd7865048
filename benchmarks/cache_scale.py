"""Time per row of an epoch over a cache on disk, for a small and a large table.

The encoder is a cheap function of a number, so that the cache dominates. The tables have 20,000 and
2 million rows of 384 components (3 GB).

Run it as ``python -m benchmarks.cache_scale [--rows 2000000]``. It requires Linux, from which it
reads memory usage.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.report import report
from quaterion_core import Quaterion, TrainableModel
from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
from quaterion_core.encoders import Encoder
from quaterion_core.heads import GatedHead
from quaterion_core.loss import SoftmaxLoss
from quaterion_core.train.cache import CacheConfig, CacheType

SIZE, BATCH, GROUPS = 384, 1024, 100


class Numbers(Encoder):
    """Cosines of multiples of a number."""

    trainable = False
    embedding_size = SIZE

    def get_collate_fn(self):
        """Return ``torch.tensor``."""
        return torch.tensor

    def forward(self, batch: Tensor) -> Tensor:
        """Return embeddings, shape (N, D)."""
        return torch.cos(batch[:, None] * torch.arange(1, SIZE + 1) * 0.01)

    def get_config_dict(self) -> dict[str, object]:
        """Return an empty configuration."""
        return {}


class Samples(Dataset[SimilarityGroupSample]):
    """Group samples that are created on access."""

    def __init__(self, rows: int):
        self.rows = rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: int) -> SimilarityGroupSample:
        return SimilarityGroupSample(index, index % GROUPS)


class Model(TrainableModel):
    """A gated head with a softmax loss over groups."""

    def __init__(self, folder: str):
        self._folder = folder
        super().__init__()

    def configure_encoders(self) -> Encoder:
        """Return the encoder."""
        return Numbers()

    def configure_head(self, input_embedding_size: int) -> GatedHead:
        """Return the head."""
        return GatedHead(input_embedding_size)

    def configure_loss(self) -> SoftmaxLoss:
        """Return the loss."""
        return SoftmaxLoss(SIZE, GROUPS)

    def configure_caches(self) -> CacheConfig:
        """Return the configuration of a cache on disk."""
        return CacheConfig(CacheType.DISK, batch_size=BATCH, save_dir=self._folder)


def anonymous_memory() -> float:
    """Return the anonymous memory of this process, not backed by files, in MiB."""
    with open("/proc/self/smaps_rollup") as file:  # noqa: PTH123
        values = {line.split(":")[0]: line.split() for line in file if ":" in line}
    return float(values["Anonymous"][1]) / 1024


class Watch(pl.Callback):
    """Callback that measures the time of each epoch and the peak of anonymous memory."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.memory = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock and measure the memory."""
        self.seconds.append(time.perf_counter() - self._start)
        self.memory = max(self.memory, anonymous_memory())


def measure(rows: int, epochs: int) -> dict[str, float]:
    """Fill a cache and train; return times and memory. Call it in a new process."""
    watch = Watch()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            max_epochs=epochs, callbacks=[watch], logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
        )  # fmt: skip
        loader = GroupSimilarityDataLoader(Samples(rows), batch_size=BATCH, shuffle=True)
        Quaterion.fit(Model(folder), trainer, loader)
    seconds = statistics.median(watch.seconds)
    filling = time.perf_counter() - start - sum(watch.seconds)
    return {
        "filling_s": filling,
        "epoch_s": seconds,
        "row_us": seconds / rows * 1e6,
        "anonymous_mb": watch.memory,
    }


def main() -> None:
    """Measure both sizes, each in a new process, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--measure", nargs=2, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure)))
        return
    results = {}
    for rows, epochs in ((20_000, 15), (arguments.rows, 3)):
        command = [
            sys.executable,
            "-m",
            "benchmarks.cache_scale",
            "--measure",
            str(rows),
            str(epochs),
        ]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        results[rows] = json.loads(output.splitlines()[-1])
    small, large = results.values()
    report(
        "cache_scale",
        [{"rows": f"{rows:,}", **values} for rows, values in results.items()],
        ratios={
            "row_cost_large_over_small": large["row_us"] / small["row_us"],
            "anonymous_memory_over_1_gb": large["anonymous_mb"] / 1000,
        },
        figures={f"large_{name}": value for name, value in large.items()},
        packages=["torch", "pytorch-lightning", "quaterion-core"],
    )


if __name__ == "__main__":
    main()
