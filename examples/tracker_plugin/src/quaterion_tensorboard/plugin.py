"""The plugin, an object with the hooks of a training run; imports nothing heavy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from quaterion_core.plugins import API_VERSION, hookimpl


class TensorBoardTracker:
    """Plugin that records a training run in TensorBoard.

    It proposes a TensorBoard logger, which records the learning curves. The configuration of the
    model and the trainer is recorded as a text before training, and as hyperparameters with the
    final metrics after training, for TensorBoard's comparison of runs.

    Args:
        folder: The folder in which runs are recorded. Default: the environment variable
            ``QUATERION_TENSORBOARD_FOLDER``, or ``"runs"``.
        run_name: The name of the run. Default: the environment variable
            ``QUATERION_TENSORBOARD_RUN``, or the current time.

    Example:
        >>> tracker = TensorBoardTracker(run_name="wide head")
        >>> type(tracker.quaterion_configure_trainer()["logger"]).__name__
        'TensorBoardLogger'
    """

    quaterion_api = API_VERSION

    def __init__(self, folder: str | None = None, run_name: str | None = None):
        self.folder = folder
        self.run_name = run_name

    @hookimpl
    def quaterion_configure_trainer(self) -> Mapping[str, Any]:
        """Propose the logger. A logger that the user sets takes precedence."""
        from quaterion_tensorboard.records import new_logger

        folder = self.folder or os.environ.get("QUATERION_TENSORBOARD_FOLDER") or "runs"
        run_name = self.run_name or os.environ.get("QUATERION_TENSORBOARD_RUN")
        return {"logger": new_logger(folder, run_name or f"{datetime.now():%Y-%m-%d %H.%M.%S}")}

    @hookimpl
    def quaterion_before_fit(self, trainer: Any, model: Any) -> None:
        """Record the configuration as a text.

        Raises:
            ValueError: The trainer has no ``TensorBoardLogger``.
        """
        from quaterion_tensorboard.records import record_configuration

        record_configuration(trainer, model)

    @hookimpl
    def quaterion_after_fit(self, trainer: Any, model: Any) -> None:
        """Record the configuration as hyperparameters, with the final metrics."""
        from quaterion_tensorboard.records import record_result

        record_result(trainer, model)


tracker = TensorBoardTracker()
"""The object of the entry point, configured by environment variables."""
