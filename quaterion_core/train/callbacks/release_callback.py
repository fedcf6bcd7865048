"""Release of device memory that cached encoders occupy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from quaterion_core.train.cache.table_encoder import TableEncoder


class ReleaseCallback(Callback):
    """Release of cached encoders that an evaluation has moved to the device.

    Args:
        encoders: The encoders that are read from tables.
    """

    def __init__(self, encoders: Iterable[TableEncoder]):
        self._encoders = list(encoders)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Free device memory for the training step."""
        for encoder in self._encoders:
            encoder.release()
