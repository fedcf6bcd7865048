"""Atomic writing of checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning_fabric.utilities.types import _PATH

from quaterion_core.storage import whole_file


class WholeCheckpointIO(TorchCheckpointIO):
    """Atomic checkpoint writer.

    A process that is killed while it writes leaves the previous checkpoint intact. Paths with a
    protocol, such as ``s3://``, are left to Lightning.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: _PATH, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            OSError: It cannot be written; an existing checkpoint is left as it was.
        """
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as stream:
            torch.save(checkpoint, stream)


def write_whole_checkpoints(trainer: pl.Trainer) -> None:
    """Make a trainer with Lightning's default checkpoint writer write atomically."""
    strategy = trainer.strategy
    if type(strategy.checkpoint_io) is TorchCheckpointIO:
        strategy.checkpoint_io = WholeCheckpointIO()
