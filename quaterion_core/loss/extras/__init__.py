"""Adapters for losses of other libraries."""

from quaterion_core.loss.extras.pytorch_metric_learning_wrapper import PytorchMetricLearningWrapper

__all__ = ["PytorchMetricLearningWrapper"]
