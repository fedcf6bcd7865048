"""Cached encoders off the device while a model is trained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from quaterion_core.train.cache.table_encoder import TableEncoder


class ReleaseCallback(Callback):
    """Takes cached encoders off the device that an evaluation has brought there.

    Args:
        encoders: The encoders that are read from tables.
    """

    def __init__(self, encoders: Iterable[TableEncoder]):
        self._encoders = list(encoders)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Make room for the training step."""
        for encoder in self._encoders:
            encoder.release()
