"""The plugin: an object with the hooks of a training run; this module has to stay light."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from quaterion_core.plugins import API_VERSION, hookimpl


class TensorBoardTracker:
    """Gives the trainer TensorBoard's logger, and records what was trained and how it ended.

    The curves are the logger's. Beside them are recorded, when training starts, the configuration
    of the model and the trainer as a text, and when it has ended, the same as parameters together
    with the final metrics, by which TensorBoard's tab of hyperparameters compares runs.

    Args:
        folder: Where runs are recorded; by default ``QUATERION_TENSORBOARD_FOLDER``, or ``runs``.
        run_name: The name of the run; by default ``QUATERION_TENSORBOARD_RUN``, or the time.

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
        """Propose the logger. A logger that the user gives wins."""
        from quaterion_tensorboard.records import new_logger

        folder = self.folder or os.environ.get("QUATERION_TENSORBOARD_FOLDER") or "runs"
        run_name = self.run_name or os.environ.get("QUATERION_TENSORBOARD_RUN")
        return {"logger": new_logger(folder, run_name or f"{datetime.now():%Y-%m-%d %H.%M.%S}")}

    @hookimpl
    def quaterion_before_fit(self, trainer: Any, model: Any) -> None:
        """Record the configuration as a text.

        Raises:
            ValueError: The trainer has no logger of TensorBoard.
        """
        from quaterion_tensorboard.records import record_configuration

        record_configuration(trainer, model)

    @hookimpl
    def quaterion_after_fit(self, trainer: Any, model: Any) -> None:
        """Record the configuration as parameters, with the final metrics."""
        from quaterion_tensorboard.records import record_result

        record_result(trainer, model)


tracker = TensorBoardTracker()
"""What the entry point names: the tracker with the settings of the environment."""
