"""The progress bar of a training run."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar
from rich.progress import ProgressColumn, Task
from rich.style import Style
from rich.text import Text


class FixedLengthProcessionSpeed(ProgressColumn):
    """Iterations per second at a fixed width, so that neighbouring columns do not move.

    Args:
        style: Style of the text.
    """

    def __init__(self, style: str | Style):
        self.style = style
        super().__init__()

    def render(self, task: Task) -> Text:
        """Return the speed of a task, 12 characters wide."""
        return Text(f"{task.speed or 0.0:>8.2f}it/s", style=self.style)


class QuaterionProgressBar(RichProgressBar):
    """Lightning's rich progress bar, with one value per loss and a speed of fixed width.

    It takes the arguments of :class:`pytorch_lightning.callbacks.RichProgressBar`.
    """

    def configure_columns(self, trainer: pl.Trainer) -> list[ProgressColumn]:
        """Return Lightning's columns, with the speed at a fixed width."""
        columns: list[Any] = super().configure_columns(trainer)
        return [
            FixedLengthProcessionSpeed(column.style)
            if type(column).__name__ == "ProcessingSpeedColumn"
            else column
            for column in columns
        ]

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return the values to show: only that of the latest step if an epoch's is logged, too."""
        metrics = super().get_metrics(trainer, pl_module)
        return {
            name.removesuffix("_step"): value
            for name, value in metrics.items()
            if name != "v_num" and not name.endswith("_epoch")
        }
