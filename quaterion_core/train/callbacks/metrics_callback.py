"""Attached metrics over whole validation and test sets."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist
from pytorch_lightning import Callback, LightningModule, Trainer

from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.base_metric import BaseMetric
from quaterion_core.train.gather import is_distributed
from quaterion_core.train.trainable_model import TrainableModel
from quaterion_core.utils.enums import TrainStage


class MetricsCallback(Callback):
    """Resetting of attached metrics before each pass over the data, and logging at its end.

    :meth:`Quaterion.fit <quaterion_core.Quaterion.fit>` adds it for as long as it runs.
    """

    @staticmethod
    def reset_metrics(trainable_model: LightningModule) -> None:
        """Reset all attached metrics."""
        for attached in _metrics(trainable_model):
            attached.metric.reset()

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the metrics."""
        self.reset_metrics(pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the metrics of the whole validation set."""
        self._log(pl_module, TrainStage.VALIDATION)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the metrics."""
        self.reset_metrics(pl_module)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the metrics of the whole test set."""
        self._log(pl_module, TrainStage.TEST)

    def _log(self, trainable_model: LightningModule, stage: TrainStage) -> None:
        for attached in _metrics(trainable_model):
            _gather_state(attached.metric)
            options = {**attached.log_options, "on_step": False, "on_epoch": True}
            trainable_model.log(
                f"{attached.name}_{stage.value}", attached.metric.compute(), **options
            )
        self.reset_metrics(trainable_model)


def _gather_state(metric: BaseMetric) -> None:
    """Merge the states of a metric of all processes, in the order of their ranks."""
    if not is_distributed():
        return
    states: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(states, metric.accumulator.state)
    metric.reset()
    for state in states:
        metric.accumulator.update(**state)


def _metrics(trainable_model: LightningModule) -> list[AttachedMetric]:
    return trainable_model.metrics if isinstance(trainable_model, TrainableModel) else []
