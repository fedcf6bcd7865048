"""Checkpoints of interrupted training runs."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_warn
from pytorch_lightning.utilities.exceptions import SIGTERMException

from quaterion_core.train.errors import NotFiniteError

SECONDS_BETWEEN_CHECKPOINTS: Final = 60.0


class StopRequested(BaseException):
    """Exit from Lightning's loops after a step, caught by ``Training``.

    Lightning would turn a ``KeyboardInterrupt`` into exit code 1.
    """


class InterruptionCallback(Callback):
    """Checkpoint to resume an interrupted training run from.

    It is written when the run is stopped by Ctrl-C or SIGTERM, after the current step; when the
    run fails, with the weights before the failed step; and at the end of an epoch, if a minute has
    passed since the last one. A process that is killed leaves the last checkpoint.

    Args:
        file: Where to write it. By default ``interrupted.ckpt`` in the folder of the trainer's
            checkpoints, when the run is stopped or fails, and nowhere if the trainer writes none.

    Attributes:
        kept: The checkpoint that was written; ``None`` if there is none.
        stop: Set to stop after the step.
    """

    def __init__(self, file: str | Path | None = None):
        self._file = None if file is None else Path(file)
        self._written = time.monotonic()
        self.kept: Path | None = None
        self.stop = False

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Stop if this was requested."""
        if not trainer.is_last_batch:  # the end of the epoch has its hooks, and validation
            self._stop_if_asked(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop if this was requested; write a checkpoint if the last one is old."""
        self._stop_if_asked(trainer)
        is_old = time.monotonic() - self._written >= SECONDS_BETWEEN_CHECKPOINTS
        if self._file is not None and trainer.strategy.broadcast(is_old):
            self._write(trainer)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Write a checkpoint with the weights before the failed step."""
        # Other processes may not have failed, and an immediate Ctrl-C may interrupt an update.
        if trainer.world_size > 1 or not isinstance(exception, (Exception, SIGTERMException)):
            return
        if trainer.global_step:
            with suppress(NotFiniteError):  # the weights are broken already
                self._write(trainer)

    def _stop_if_asked(self, trainer: Trainer) -> None:
        if trainer.world_size > 1 or not (self.stop or trainer.received_sigterm):
            return
        self._write(trainer)
        raise StopRequested

    def _write(self, trainer: Trainer) -> None:
        file = self._file or _beside_checkpoints(trainer)
        if file is None:
            return
        try:
            trainer.save_checkpoint(file)
        except OSError as error:
            rank_zero_warn(f"No checkpoint to resume from could be written to {file}: {error}.")
            return
        self._written = time.monotonic()
        self.kept = file


def _beside_checkpoints(trainer: Trainer) -> Path | None:
    """Return a file in the folder of the trainer's checkpoints, if it writes any."""
    checkpoints: Any = trainer.checkpoint_callback
    if checkpoints is None:
        return None
    return Path(checkpoints.dirpath or trainer.default_root_dir, "interrupted.ckpt")
