"""Errors that stop a training run or prevent it from starting."""

from __future__ import annotations

from pathlib import Path


class TrainingError(Exception):
    """A training run cannot be started or continued; the message says what to do."""


class NothingToLearnError(TrainingError, ValueError):
    """No parameter would ever change, because of the data, the loss or the learning rates."""


class NotFiniteError(TrainingError, ValueError):
    """A loss, a gradient or an embedding is NaN or infinite.

    On the CPU the model keeps the weights that it had before the step. On a GPU gradients are
    checked every 50 steps; the message says whether the weights have changed.
    """


class OutOfMemoryError(TrainingError, MemoryError):
    """A step did not fit into memory."""


class WorkerDiedError(TrainingError, RuntimeError):
    """A process that reads data was killed."""


class UsedTrainerError(TrainingError, ValueError):
    """A trainer has trained another model, or has reached its limit of epochs or steps."""


class TrainingInterrupted(KeyboardInterrupt):  # named like KeyboardInterrupt
    """A training run was stopped by Ctrl-C after the current step.

    Attributes:
        checkpoint: The checkpoint to resume from; ``None`` if there is none.
    """

    def __init__(self, message: str, checkpoint: Path | None):
        super().__init__(message)
        self.checkpoint = checkpoint


class TrainingTerminated(SystemExit):  # named like SystemExit
    """A training run was stopped by SIGTERM after the current step; exit code 143.

    Attributes:
        checkpoint: The checkpoint to resume from; ``None`` if there is none.
    """

    def __init__(self, checkpoint: Path | None):
        super().__init__(143)
        self.checkpoint = checkpoint
