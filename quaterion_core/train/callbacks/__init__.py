"""Callbacks that take part in a training."""

from quaterion_core.train.callbacks.cleanup_callback import CleanupCallback
from quaterion_core.train.callbacks.loss_parameters_callback import LossParametersCallback
from quaterion_core.train.callbacks.metrics_callback import MetricsCallback

__all__ = ["CleanupCallback", "LossParametersCallback", "MetricsCallback"]
