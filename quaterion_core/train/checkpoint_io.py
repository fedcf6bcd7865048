"""Atomic writing of checkpoints."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any

import psutil
import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning_fabric.utilities.types import _PATH


class WholeCheckpointIO(TorchCheckpointIO):
    """Atomic checkpoint writer: a temporary file is written, synced and renamed to the target.

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
        _remove_leftovers(target)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as stream:
                torch.save(checkpoint, stream)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)


def write_whole_checkpoints(trainer: pl.Trainer) -> None:
    """Make a trainer with Lightning's default checkpoint writer write atomically."""
    strategy = trainer.strategy
    if type(strategy.checkpoint_io) is TorchCheckpointIO:
        strategy.checkpoint_io = WholeCheckpointIO()


def _remove_leftovers(target: Path) -> None:
    """Remove temporary files of processes that were killed."""
    for part in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        owner = part.name.split(".")[-2]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Sync a renaming to disk, where the system can open folders."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
