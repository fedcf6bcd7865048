"""Reuse of trainers and callbacks."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, Timer

from quaterion_core.train.errors import UsedTrainerError


def check_trainer(trainer: pl.Trainer, model: pl.LightningModule) -> None:
    """Check that a trainer is new, or has epochs and steps left for the model that it trained.

    Raises:
        UsedTrainerError: It has trained another model, or has reached its limit.
    """
    if trainer.global_step == 0 and trainer.current_epoch == 0:
        return
    trained = trainer.lightning_module
    if trained is not None and trained is not model:
        raise UsedTrainerError(
            f"The trainer has trained another model for {trainer.global_step} steps, which count "
            "for this one too. Make a new pl.Trainer for each model."
        )
    epochs, steps = trainer.max_epochs, trainer.max_steps
    is_over = epochs not in (None, -1) and trainer.current_epoch >= epochs
    if is_over or (steps != -1 and trainer.global_step >= steps):
        raise UsedTrainerError(
            f"The trainer has nothing left to do: it is in epoch {trainer.current_epoch} of "
            f"{epochs} and has taken {trainer.global_step} steps of {steps} (-1: no limit). Make a "
            "new pl.Trainer, or raise trainer.fit_loop.max_epochs to train on."
        )


def reset_callbacks(trainer: pl.Trainer) -> None:
    """Reset the callbacks of a new trainer that were used in another training run.

    Otherwise early stopping would compare with the best score of the other run, a timer would
    include its time, and a checkpoint callback would compare with its checkpoints.
    """
    if trainer.global_step:
        return
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, EarlyStopping):
            _reset(callback, EarlyStopping(callback.monitor, mode=callback.mode), _STOPPING)
        elif isinstance(callback, ModelCheckpoint) and callback._last_global_step_saved:
            mode = callback.mode
            new = ModelCheckpoint(monitor=callback.monitor or "loss", mode=mode)
            _reset(callback, new, _CHECKPOINTS)
        elif isinstance(callback, Timer):
            _reset(callback, Timer(), _TIMER)


_STOPPING = ("wait_count", "stopped_epoch", "best_score", "stopping_reason",
             "stopping_reason_message")  # fmt: skip
_CHECKPOINTS = ("_last_global_step_saved", "current_score", "best_k_models", "kth_best_model_path",
                "kth_value", "best_model_score", "best_model_path", "last_model_path",
                "_last_checkpoint_saved")  # fmt: skip
_TIMER = ("_start_time", "_end_time", "_offset")


def _reset(callback: Any, new: Any, names: tuple[str, ...]) -> None:
    """Copy attributes from a new callback; not all versions of Lightning have all of them."""
    for name in names:
        if hasattr(new, name):
            value = getattr(new, name)
            setattr(callback, name, value.clone() if isinstance(value, torch.Tensor) else value)
