"""The errors that end a training run, or keep it from starting."""

from __future__ import annotations

from pathlib import Path


class TrainingError(Exception):
    """A training run cannot be started or continued; the message says what to do."""


class NothingToLearnError(TrainingError, ValueError):
    """No parameter would ever change: the data, the loss or the learning rates are to blame."""


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
    """A trainer has trained another model, or has nothing left to do."""


class TrainingInterrupted(KeyboardInterrupt):  # as KeyboardInterrupt is
    """A training run was stopped by Ctrl-C, after the step that it was in.

    Attributes:
        checkpoint: What is kept of it; ``None`` if nothing is.
    """

    def __init__(self, message: str, checkpoint: Path | None):
        super().__init__(message)
        self.checkpoint = checkpoint


class TrainingTerminated(SystemExit):  # as SystemExit is
    """A training run was stopped by SIGTERM, after the step that it was in; exit code 143.

    Attributes:
        checkpoint: What is kept of it; ``None`` if nothing is.
    """

    def __init__(self, checkpoint: Path | None):
        super().__init__(143)
        self.checkpoint = checkpoint
