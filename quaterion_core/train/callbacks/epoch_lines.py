"""One line of output for each epoch, for use without a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytorch_lightning as pl

from quaterion_core.utils.enums import TrainStage


class EpochLines(pl.Callback):
    """One line with the metrics of each epoch, for logs.

    Training metrics are left out, since at the end of an epoch they are those of its last batch.

    Args:
        write: Prints a line.

    Example:
        >>> EpochLines(print).line(epoch=3, seconds=12.0, figures={"train_loss": 0.5})
        'Epoch 3: train_loss 0.5000 (12.0 s)'
    """

    def __init__(self, write: Callable[[str], object]):
        self._write = write
        self._start = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line, in the first process."""
        if trainer.is_global_zero:
            figures = {
                name: float(value)
                for name, value in trainer.callback_metrics.items()
                if not name.endswith(("_step", "_epoch", f"_{TrainStage.TRAIN.value}"))
            }
            seconds = time.perf_counter() - self._start
            self._write(self.line(trainer.current_epoch + 1, seconds, figures))

    @staticmethod
    def line(epoch: int, seconds: float, figures: dict[str, float]) -> str:
        """Return the line of an epoch, counted from 1."""
        values = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        return f"Epoch {epoch}: {values} ({seconds:.1f} s)"
