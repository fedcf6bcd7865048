"""The Lightning trainer of a recipe: arguments of the recipe, of plugins, and defaults."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from quaterion_core.components import Fault, argument_faults, callable_arguments
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.monitored import monitored
from quaterion_core.plugins.lifecycle import Lifecycle
from quaterion_core.recipe.faults import RecipeError
from quaterion_core.recipe.settings import EarlyStop, Recipe
from quaterion_core.train.callbacks.best_epoch import BestEpoch
from quaterion_core.train.callbacks.epoch_lines import EpochLines
from quaterion_core.train.callbacks.progress_bar import QuaterionProgressBar

_LOGGER: Final = "pytorch_lightning.utilities.rank_zero"


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
) -> RecipeTrainer:
    """Build the trainer of a recipe.

    Arguments of the recipe take precedence over those of plugins, and these over the defaults.
    Callbacks and loggers of all of them are combined.

    Raises:
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
    if recipe.trainer.get("enable_progress_bar", True):
        defaults["callbacks"].append(QuaterionProgressBar() if is_terminal else EpochLines(write))
    stated = dict(recipe.trainer)
    if "epochs" in recipe.model_fields_set:
        stated["max_epochs"] = recipe.epochs
    if recipe.early_stopping is not None:
        stated["callbacks"] = [_early_stopping(recipe.early_stopping, metrics)]
    best = None
    if (compared := _compared(recipe, metrics)) is not None:
        best = BestEpoch(*compared)
        defaults["callbacks"].append(best)
    arguments = lifecycle.trainer_arguments(defaults, given=stated)
    with quiet_lightning():
        return RecipeTrainer(pl.Trainer(**arguments), history, best)


def trainer_faults(arguments: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield unknown arguments of the trainer, and values of the wrong type."""
    known = callable_arguments(pl.Trainer)
    yield from argument_faults("The trainer", known, arguments, ("trainer",))


def _compared(
    recipe: Recipe, metrics: Sequence[AttachedMetric]
) -> tuple[str, Literal["min", "max"]] | None:
    """Return the value by which epochs are compared, and its mode, if the best one is kept."""
    if recipe.keep_best is not None:
        return monitored(recipe.keep_best, metrics)
    if recipe.early_stopping is None:
        return None
    monitor, mode = monitored(recipe.early_stopping.monitor, metrics)
    return monitor, recipe.early_stopping.mode or mode


def _early_stopping(settings: EarlyStop, metrics: Sequence[AttachedMetric]) -> EarlyStopping:
    monitor, mode = monitored(settings.monitor, metrics)
    return EarlyStopping(monitor, patience=settings.patience, mode=settings.mode or mode)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's notices about hardware and about its own products."""
    logger = logging.getLogger(_LOGGER)
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            yield
    finally:
        logger.setLevel(level)
