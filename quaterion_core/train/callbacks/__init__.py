"""Callbacks that take part in a training run."""

from quaterion_core.train.callbacks.cleanup_callback import CleanupCallback
from quaterion_core.train.callbacks.epoch_lines import EpochLines
from quaterion_core.train.callbacks.hard_negatives_callback import HardNegativesCallback
from quaterion_core.train.callbacks.interruption_callback import InterruptionCallback
from quaterion_core.train.callbacks.loss_parameters_callback import LossParametersCallback
from quaterion_core.train.callbacks.metrics_callback import MetricsCallback
from quaterion_core.train.callbacks.progress_bar import QuaterionProgressBar
from quaterion_core.train.callbacks.resume_callback import ResumeCallback

__all__ = [
    "CleanupCallback",
    "EpochLines",
    "HardNegativesCallback",
    "InterruptionCallback",
    "LossParametersCallback",
    "MetricsCallback",
    "QuaterionProgressBar",
    "ResumeCallback",
]
