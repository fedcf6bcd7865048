"""The weights of the best epoch of a training run, instead of those of the last one."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor


class BestEpoch(pl.Callback):
    """Restoration of the weights of the best epoch when training ends.

    Ties are resolved in favour of the earliest epoch. Frozen encoders, which do not change, are
    not copied. The weights are part of checkpoints, so a resumed run keeps them.

    Args:
        monitor: Name of the logged value to compare epochs by, such as ``validation_loss``.
        mode: Whether the smallest (``min``) or the largest (``max``) value is the best.

    Attributes:
        epoch: Number of the best epoch so far, counted from 1; 0 for none.
        value: The monitored value in that epoch.
    """

    def __init__(self, monitor: str, mode: Literal["min", "max"] = "min"):
        self.monitor = monitor
        self.mode = mode
        self.epoch = 0
        self.value = math.inf if mode == "min" else -math.inf
        self._weights: dict[str, Tensor] = {}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the weights if the epoch was the best one so far."""
        value = trainer.callback_metrics.get(self.monitor)
        if value is None or not self._is_better(float(value)):
            return
        self.epoch, self.value = trainer.current_epoch + 1, float(value)
        trained = {name for name, weights in pl_module.named_parameters() if weights.requires_grad}
        trained |= {name for name, _ in pl_module.named_buffers()}
        self._weights = {
            name: weights.detach().clone()
            for name, weights in pl_module.state_dict().items()
            if name in trained
        }

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore the weights of the best epoch."""
        if not self._weights:
            rank_zero_warn(
                f"{self.monitor!r} was not logged in any epoch, so the weights are those of the "
                f"last one. Logged were: {', '.join(sorted(trainer.callback_metrics))}."
            )
            return
        pl_module.load_state_dict(self._weights, strict=False)

    def state_dict(self) -> dict[str, Any]:
        """Return the best epoch and its weights."""
        return {"epoch": self.epoch, "value": self.value, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the best epoch of an interrupted run."""
        self.epoch, self.value = state_dict["epoch"], state_dict["value"]
        self._weights = state_dict["weights"]

    def _is_better(self, value: float) -> bool:
        return value < self.value if self.mode == "min" else value > self.value
