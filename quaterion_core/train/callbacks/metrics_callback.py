"""Attached metrics over whole validation and test sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from quaterion_core.eval.accumulators.either_accumulator import EitherAccumulator
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.base_metric import BaseMetric
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.eval.scoring import score
from quaterion_core.train.gather import is_distributed
from quaterion_core.train.trainable_model import TrainableModel
from quaterion_core.types import Targets
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
        if trainer.sanity_checking:
            self.reset_metrics(pl_module)
        else:
            self._log(pl_module, TrainStage.VALIDATION)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the metrics."""
        self.reset_metrics(pl_module)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the metrics of the whole test set."""
        self._log(pl_module, TrainStage.TEST)

    def _log(self, trainable_model: LightningModule, stage: TrainStage) -> None:
        attached_metrics = _metrics(trainable_model)
        values = self.values(attached_metrics, trainable_model)
        for attached in attached_metrics:
            if attached.name in values:
                options = {**attached.log_options, "on_step": False, "on_epoch": True}
                name = f"{attached.name}_{stage.value}"
                trainable_model.log(name, values[attached.name], **options)
        self.reset_metrics(trainable_model)

    def values(
        self, attached_metrics: Sequence[AttachedMetric], trainable_model: LightningModule
    ) -> Mapping[str, Tensor | float]:
        """Return the value of each metric by name, over what was collected in all processes.

        Metrics that have collected the same share one search.
        """
        collected: list[tuple[Targets, dict[str, BaseMetric]]] = []
        for attached in attached_metrics:
            state = gathered(attached.metric.accumulator.state)
            same = (metrics for known, metrics in collected if _is_same(known, state))
            metrics = next(same, None)
            if metrics is None:
                collected.append((state, metrics := {}))
            metrics[attached.name] = attached.metric
        values: dict[str, Tensor] = {}
        for state, metrics in collected:
            if not len(state["embeddings"]):
                raise RuntimeError(
                    f"The metrics {', '.join(metrics)} have nothing to evaluate: no batch was "
                    "passed to their update()."
                )
            device = trainable_model.device
            targets = {name: tensor.to(device) for name, tensor in state.items()}
            retrieval = Retrieval.of_samples(targets.pop("embeddings"), targets)
            values |= score(metrics, retrieval).values
        return values


def gathered(state: Targets) -> Targets:
    """Merge what all processes have collected, in the order of their ranks."""
    if not is_distributed():
        return state
    states: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(states, state)
    merged = EitherAccumulator()
    for each in states:
        merged.update(**each)
    return merged.state


def _is_same(state: Targets, other: Targets) -> bool:
    return state.keys() == other.keys() and all(
        torch.equal(values, other[name]) for name, values in state.items()
    )


def _metrics(trainable_model: LightningModule) -> list[AttachedMetric]:
    return trainable_model.metrics if isinstance(trainable_model, TrainableModel) else []
