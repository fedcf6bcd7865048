"""The progress bar of a training."""

from __future__ import annotations

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar


class QuaterionProgressBar(RichProgressBar):
    """Lightning's rich progress bar, with one figure for each loss.

    Takes the arguments of :class:`pytorch_lightning.callbacks.RichProgressBar`.
    """

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return the figures to show: of what is logged twice, the latest step's alone."""
        metrics = super().get_metrics(trainer, pl_module)
        return {
            name.removesuffix("_step"): value
            for name, value in metrics.items()
            if name != "v_num" and not name.endswith("_epoch")
        }
