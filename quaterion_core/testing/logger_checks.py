"""Conformance checks for loggers."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from typing import Any, Final

from pytorch_lightning.loggers import Logger

from quaterion_core.components import split_choice
from quaterion_core.testing.checks import CheckError, Checks
from quaterion_core.testing.comparing import require_interface
from quaterion_core.testing.small_runs import small_run
from quaterion_core.testing.subject import Subject
from quaterion_core.train.trainer_components import build_logger, trainer_component_arguments


class LoggerSubject(Subject[Logger]):
    """A logger under test, with a temporary folder to write to."""


LOGGER_CHECKS: Final[Checks[LoggerSubject]] = Checks("logger")


def build_temporary_logger(choice: Any) -> Logger:
    """Build a logger that writes to a temporary folder, if it takes `save_dir` and lacks it.

    The folder is removed when the process ends.
    """
    name, _ = split_choice("logger", choice)
    if "save_dir" not in trainer_component_arguments("logger", name) or "save_dir" in choice:
        return build_logger(choice)
    folder = tempfile.mkdtemp(prefix="quaterion-logger-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build_logger({**choice, "save_dir": folder})


@LOGGER_CHECKS.add
def construction(subject: LoggerSubject) -> None:
    """The logger cannot be built from the arguments given, or cannot be copied.

    Pass the arguments that its constructor requires: `Example(arguments={...})` under the logger's
    name in `examples`; connect and create files on first use rather than in the constructor.
    """
    subject.built()


@LOGGER_CHECKS.add
def interface(subject: LoggerSubject) -> None:
    """The class is not derived from Lightning's `Logger`.

    Derive from `pytorch_lightning.loggers.Logger` and implement its abstract methods.
    """
    require_interface(subject.fresh(), Logger)


@LOGGER_CHECKS.add
def identity(subject: LoggerSubject) -> None:
    """`name` or `version` is not what the trainer makes paths of.

    Return a string or `None` from `name`, and a string, an integer or `None` from `version`.
    """
    logger = subject.fresh()
    if not isinstance(logger.name, (str, type(None))):
        raise CheckError(f"expected a string or None as name, got {logger.name!r}")
    if not isinstance(logger.version, (str, int, type(None))):
        raise CheckError(
            f"expected a string, an integer or None as version, got {logger.version!r}"
        )


@LOGGER_CHECKS.add
def records(subject: LoggerSubject) -> None:
    """Logging values or hyperparameters fails, or changes what is passed.

    Accept `log_metrics(metrics, step=None)` with floats by name, `log_hyperparams(params)`,
    `save()` and `finalize(status)`, and copy what is changed.
    """
    logger = subject.fresh()
    values = {"train_loss": 0.5, "recall_at_k@1_validation": 0.25}
    logger.log_hyperparams({"lr": 0.1, "encoder": "static", "layers": [8, 4]})
    logger.log_metrics(values, step=0)
    logger.log_metrics(values, step=1)
    logger.save()
    logger.finalize("success")
    if values != {"train_loss": 0.5, "recall_at_k@1_validation": 0.25}:
        raise CheckError(f"expected the values to stay as they are, got {values}")


@LOGGER_CHECKS.add
def training(subject: LoggerSubject) -> None:
    """A training run with the logger fails, or its values do not reach the logger.

    Keep to the signatures of `pytorch_lightning.loggers.Logger`, and log on the process of rank 0
    only.
    """
    logger = subject.fresh()
    logged: set[str] = set()
    log_metrics = logger.log_metrics

    def recording(metrics: dict[str, float], step: int | None = None) -> None:
        logged.update(metrics)
        log_metrics(metrics, step)

    logger.log_metrics = recording  # type: ignore[method-assign]
    small_run(logger=logger)
    for name in ("train_loss", "validation_loss"):  # of steps, of epochs, or of both
        if not any(key.startswith(name) for key in logged):
            found = ", ".join(sorted(logged)) or "nothing"
            raise CheckError(f"expected {name} to be logged, got {found}")
