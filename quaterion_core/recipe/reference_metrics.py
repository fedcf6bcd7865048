"""Metrics of a validation set whose objects search those of a reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytorch_lightning import LightningModule
from torch import Tensor

from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.recipe.data import Evaluation
from quaterion_core.train.callbacks.metrics_callback import MetricsCallback
from quaterion_core.train.trainable_model import TrainableModel


class ReferenceMetrics(MetricsCallback):
    """Logging of metrics with a reference, as the evaluation after training computes them.

    The reference is embedded at the end of each validation, from the cache if there is one.

    Args:
        evaluation: The validation samples, their reference, and the metrics.
    """

    def __init__(self, evaluation: Evaluation):
        self._evaluation = evaluation

    def values(
        self, attached_metrics: Sequence[AttachedMetric], trainable_model: LightningModule
    ) -> Mapping[str, Tensor | float]:
        """Return the value of each metric by name."""
        assert isinstance(trainable_model, TrainableModel)
        return self._evaluation.evaluate(trainable_model.model)
