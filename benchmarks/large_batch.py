"""Memory and time of training steps with large batches and gradient caching.

Data: questions and answers of the cloud FAQ. Encoder: all-MiniLM-L6-v2, fine-tuned. Loss: multiple
negatives ranking. Optimizer: Adam. Each row of the table is one training step in a new process,
after a small step for warm-up, over a batch that contains the longest text of the data. The memory
of a step is its peak of resident memory minus the resident memory before it; freed memory is
returned to the system at once, so that it does not count.

Run it as ``python -m benchmarks.large_batch [--largest]``. ``--largest`` also finds the largest
batch, in powers of two, whose process stays below 4 GB, which takes another 20 minutes. It requires
Linux, from which it reads memory usage.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from benchmarks.cached_training import DATA, minilm
from benchmarks.report import report
from quaterion_core import Quaterion
from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample

CHUNK, SMALL, LARGE, HUGE = 64, 64, 128, 4096
LIMIT_MB = 4000
WARM_UP = 8


def resident() -> dict[str, float]:
    """Return the resident memory of this process, now and at its peak since the reset, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    values = {line.split(":")[0]: line.split() for line in lines}
    return {"now": float(values["VmRSS"][1]) / 1024, "peak": float(values["VmHWM"][1]) / 1024}


class Watch(pl.Callback):
    """Callback that measures the last step."""

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the clock and reset the peak."""
        Path("/proc/self/clear_refs").write_text("5")
        self.before = resident()["now"]
        self.start = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Stop the clock and measure the memory."""
        self.seconds = time.perf_counter() - self.start
        self.peak = resident()["peak"]


def measure(batch: int, chunk: int | None) -> dict[str, float]:
    """Train one small batch, then one of the given size; return time and memory of the latter."""
    torch.manual_seed(0)
    lines = [json.loads(line) for line in DATA.open(encoding="utf-8")]
    pairs = [SimilarityPairSample(line["question"], line["answer"]) for line in lines]
    pairs.sort(key=lambda pair: -max(len(pair.obj_a), len(pair.obj_b)))
    pairs[1:] = random.Random(0).sample(pairs[1:], len(pairs) - 1)
    samples = [*pairs[:WARM_UP], *islice(cycle(pairs), batch)]
    model = Quaterion.build(
        encoder={"name": "sentence-transformer", "model": minilm(), "trainable": True},
        loss="multiple-negatives-ranking",
        optimizer={"name": "adam", "lr": 2e-5},
    )
    watch = Watch()
    trainer = pl.Trainer(
        max_epochs=1, callbacks=[watch], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
    )  # fmt: skip
    batches = [list(range(WARM_UP)), list(range(WARM_UP, WARM_UP + batch))]
    loader = PairsSimilarityDataLoader(samples, batch_sampler=batches)
    Quaterion.fit(model, trainer, loader, grad_cache_chunk=chunk)
    return {
        "step_s": watch.seconds,
        "memory_mb": watch.peak - watch.before,
        "process_mb": watch.peak,
    }


def in_a_process(batch: int, chunk: int | None) -> dict[str, float]:
    """Call :func:`measure` in a new process."""
    command = [sys.executable, "-m", "benchmarks.large_batch", "--measure", f"{batch}"]
    command += [] if chunk is None else [f"{chunk}"]
    giving_back = {"MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "1048576"}
    output = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **giving_back}
    ).stdout
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


def largest(
    batch: int, fitting: dict[str, float], chunk: int | None
) -> tuple[int, dict[str, float]]:
    """Double a batch until it exceeds the limit; return the last that fits, and its result."""
    while (found := in_a_process(2 * batch, chunk))["process_mb"] < LIMIT_MB:
        batch, fitting = 2 * batch, found
    return batch, fitting


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", action="store_true")
    parser.add_argument("--measure", nargs="+", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure[0], (*arguments.measure, None)[1])))
        return
    if not DATA.exists():
        raise SystemExit(f"This benchmark requires the data file {DATA.name}.")
    cases = {
        "plain, small": (SMALL, None),
        "plain, large": (LARGE, None),
        "cached, large": (LARGE, CHUNK),
        "cached, huge": (HUGE, CHUNK),
    }
    results = {name: in_a_process(*case) for name, case in cases.items()}
    rows = [
        {"what": name, "pairs": cases[name][0], "chunk": cases[name][1] or "", **values}
        for name, values in results.items()
    ]
    figures = {"embeddings_of_huge_mb": 2 * HUGE * 384 * 4 / 2**20}
    if arguments.largest:
        for name, start in (("plain", "plain, small"), ("cached", "cached, huge")):
            batch, chunk = cases[start]
            batch, values = largest(batch, results[start], chunk)
            rows.append(
                {"what": f"{name}, in 4 GB", "pairs": batch, "chunk": chunk or "", **values}
            )
            figures[f"largest_{name}_batch_in_4_gb"] = float(batch)
    allowed = results["plain, small"]["memory_mb"] + figures["embeddings_of_huge_mb"]
    report(
        "large_batch",
        rows,
        ratios={
            "memory_of_huge_cached_over_small_plain_and_embeddings": (
                results["cached, huge"]["memory_mb"] / allowed
            ),
            "memory_cached_over_plain": (
                results["cached, large"]["memory_mb"] / results["plain, large"]["memory_mb"]
            ),
            "time_cached_over_plain": (
                results["cached, large"]["step_s"] / results["plain, large"]["step_s"]
            ),
        },
        figures=figures,
        packages=["torch", "pytorch-lightning", "sentence-transformers", "quaterion-core"],
    )


if __name__ == "__main__":
    main()
