"""The Lightning trainer of a recipe: arguments of the recipe, of plugins, and defaults."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import pytorch_lightning as pl
from pytorch_lightning.callbacks import (
    Checkpoint,
    DeviceStatsMonitor,
    EarlyStopping,
    LearningRateMonitor,
    ProgressBar,
)
from pytorch_lightning.loggers import Logger

from quaterion_core.components import (
    Fault,
    argument_faults,
    callable_arguments,
    split_choice,
)
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.monitored import monitored
from quaterion_core.plugins.lifecycle import Lifecycle
from quaterion_core.recipe.faults import Place, RecipeError
from quaterion_core.recipe.settings import EarlyStop, Recipe, trainer_choices
from quaterion_core.train.advertisements import LOGGER
from quaterion_core.train.callbacks.best_epoch import BestEpoch
from quaterion_core.train.callbacks.epoch_lines import EpochLines
from quaterion_core.train.callbacks.progress_bar import QuaterionProgressBar
from quaterion_core.train.trainer_components import (
    RUN_NAME,
    build_callback,
    build_logger,
    monitor_of,
    trainer_component_arguments,
    trainer_component_faults,
)

_LOGGING: Final = (DeviceStatsMonitor, LearningRateMonitor)
"""Callbacks that need a logger."""


class EpochHistory(pl.Callback):
    """Logged values of each epoch, also kept in checkpoints.

    Attributes:
        epochs: The logged values of each epoch by name.
        recipe: The recipe as YAML, which must not change when a run is resumed.
    """

    def __init__(self) -> None:
        self.recipe = ""
        self.epochs: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        """Return the logged values and the recipe."""
        return {"epochs": self.epochs, "recipe": self.recipe}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the logged values of an interrupted run.

        Raises:
            RecipeError: The recipe has changed.
        """
        if state_dict["recipe"] != self.recipe:
            raise RecipeError(
                "The recipe has changed since the run was interrupted. Resume with the original "
                "recipe, or start over without --resume."
            )
        self.epochs = state_dict["epochs"]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Store the logged values of the epoch."""
        figures = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if not name.endswith(("_step", "_epoch"))
        }
        self.epochs.append({"epoch": trainer.current_epoch + 1, **figures})


@dataclass(frozen=True)
class RecipeTrainer:
    """The trainer of a recipe.

    Attributes:
        trainer: The trainer.
        history: The callback with the logged values of each epoch.
        best: The callback that keeps the weights of the best epoch, if there is one.
    """

    trainer: pl.Trainer
    history: EpochHistory
    best: BestEpoch | None = None


def build_trainer(
    recipe: Recipe,
    lifecycle: Lifecycle,
    metrics: Sequence[AttachedMetric],
    write: Callable[[str], object],
    output: Path | None = None,
) -> RecipeTrainer:
    """Build the trainer of a recipe.

    Arguments of the recipe take precedence over those of plugins, and these over the defaults.
    Callbacks and loggers of all of them are combined. Loggers and checkpoints are written to the
    folder ``logs`` beside the output folder, unless the recipe says otherwise.

    Args:
        recipe: The recipe, with absolute paths.
        lifecycle: Its plugins.
        metrics: Its metrics.
        write: Called with each line of progress.
        output: The folder to save the model in, if any.

    Raises:
        ValueError: A callback needs a logger or checkpoints, and there are none.
        Exception: Lightning rejects a value, such as a device that is not available.
    """
    is_terminal = sys.stdout.isatty()
    history = EpochHistory()
    defaults: dict[str, Any] = {
        "max_epochs": recipe.epochs,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "logger": False,
        "enable_progress_bar": is_terminal,
        "callbacks": [history],
    }
    stated = dict(recipe.trainer)
    if "epochs" in recipe.model_fields_set:
        stated["max_epochs"] = recipe.epochs
    logs = _Logs(
        recipe.folder / "logs" if output is None else output.absolute().parent / "logs",
        None if output is None else output.name,
    )
    with quiet_lightning():
        callbacks = _callbacks(recipe, metrics, logs)
        loggers = _loggers(recipe, logs)
    if callbacks:
        stated["callbacks"] = callbacks
    if loggers:
        stated["logger"] = loggers
    shows_progress = any(isinstance(callback, ProgressBar) for callback in callbacks)
    if recipe.trainer.get("enable_progress_bar", True) and not shows_progress:
        defaults["callbacks"].append(QuaterionProgressBar() if is_terminal else EpochLines(write))
    best = None
    if (compared := _compared(recipe, metrics, callbacks)) is not None:
        best = BestEpoch(*compared)
        defaults["callbacks"].append(best)
    arguments = lifecycle.trainer_arguments(defaults, given=stated)
    _enable_what_callbacks_need(arguments, stated)
    with quiet_lightning():
        return RecipeTrainer(pl.Trainer(**arguments), history, best)


def trainer_faults(
    arguments: Mapping[str, Any], metrics: Sequence[AttachedMetric] = ()
) -> Iterator[Fault]:
    """Yield unknown arguments of the trainer, and values of the wrong type.

    Args:
        arguments: The arguments.
        metrics: The attached metrics, which callbacks can monitor.
    """
    known = callable_arguments(pl.Trainer)
    choices = trainer_choices(arguments)
    chosen = {place[1] for place, _, _ in choices}
    given = {key: value for key, value in arguments.items() if key not in chosen}
    yield from argument_faults("The trainer", known, given, ("trainer",))
    for place, kind, choice in choices:
        yield from trainer_component_faults(
            kind, choice, place, metrics=metrics, provided=_Logs.arguments
        )


def callback_monitors(arguments: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Yield the values that the callbacks of a trainer monitor, each with its place.

    Args:
        arguments: Arguments of the trainer without faults.
    """
    for place, kind, choice in trainer_choices(arguments):
        if kind == "callback" and (monitor := monitor_of(choice)):
            is_stated = isinstance(choice, Mapping) and "monitor" in choice
            yield ((*place, "monitor") if is_stated else place), monitor


@dataclass(frozen=True)
class _Logs:
    """Where loggers and checkpoints of a run are written.

    Attributes:
        folder: The folder of the logs of all runs.
        name: Name of the run; ``None`` if the model is not saved.
    """

    folder: Path
    name: str | None
    arguments: ClassVar = ("save_dir", "dirpath", RUN_NAME)

    def filled(self, kind: str, choice: Any) -> dict[str, Any]:
        """Return a choice with folder and name of the run, where it takes and lacks them."""
        name, arguments = split_choice(kind, choice)
        checkpoints = self.folder / (self.name or "") / "checkpoints"
        values = (str(self.folder), str(checkpoints), self.name)
        known = trainer_component_arguments(kind, name)
        for key, value in zip(self.arguments, values, strict=True):
            if key in known and value is not None:
                arguments.setdefault(key, value)
        return {"name": name, **arguments}


def _callbacks(recipe: Recipe, metrics: Sequence[AttachedMetric], logs: _Logs) -> list[pl.Callback]:
    """Build the callbacks of a recipe, early stopping among them."""
    callbacks = [
        build_callback(logs.filled(kind, choice), metrics)
        for _, kind, choice in trainer_choices(recipe.trainer)
        if kind == "callback"
    ]
    if recipe.early_stopping is not None:
        callbacks.append(_early_stopping(recipe.early_stopping, metrics))
    return callbacks


def _loggers(recipe: Recipe, logs: _Logs) -> list[Logger]:
    """Build the loggers of a recipe."""
    return [
        build_logger(logs.filled(kind, choice))
        for _, kind, choice in trainer_choices(recipe.trainer)
        if kind == "logger"
    ]


def _enable_what_callbacks_need(arguments: dict[str, Any], stated: Mapping[str, Any]) -> None:
    """Enable checkpoints if a callback writes them, and check that there is a logger if one logs.

    Raises:
        ValueError: The recipe disables what a callback needs.
    """
    for callback in arguments["callbacks"]:
        kind = type(callback).__name__
        if isinstance(callback, Checkpoint):
            if stated.get("enable_checkpointing") is False:
                raise ValueError(
                    f"The callback {kind} writes checkpoints, which enable_checkpointing: false "
                    "forbids. Leave one of the two out."
                )
            arguments["enable_checkpointing"] = True
        if isinstance(callback, _LOGGING) and not arguments["logger"]:
            raise ValueError(
                f"The callback {kind} logs values, but the trainer has no logger. Choose one, such "
                "as logger: csv."
            )


def _compared(
    recipe: Recipe, metrics: Sequence[AttachedMetric], callbacks: Iterable[pl.Callback]
) -> tuple[str, Literal["min", "max"]] | None:
    """Return the value by which epochs are compared, and its mode, if the best one is kept.

    It is what early stopping monitors, unless the recipe says otherwise.
    """
    if recipe.keep_best is not None:
        return monitored(recipe.keep_best, metrics)
    for callback in callbacks:
        if isinstance(callback, EarlyStopping):
            return monitored(callback.monitor, metrics)
    return None


def _early_stopping(settings: EarlyStop, metrics: Sequence[AttachedMetric]) -> EarlyStopping:
    monitor, mode = monitored(settings.monitor, metrics)
    return EarlyStopping(monitor, patience=settings.patience, mode=settings.mode or mode)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's notices about hardware and about its own products."""
    logger = logging.getLogger(LOGGER)
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            yield
    finally:
        logger.setLevel(level)
