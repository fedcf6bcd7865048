"""The Lightning trainer of a recipe: what the recipe states, what plugins propose, defaults."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from quaterion_core.components import Fault, argument_faults, callable_arguments
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.plugins.lifecycle import Lifecycle
from quaterion_core.recipe.checking import monitored
from quaterion_core.recipe.faults import RecipeError
from quaterion_core.recipe.settings import EarlyStop, Recipe
from quaterion_core.train.callbacks.best_epoch import BestEpoch
from quaterion_core.train.callbacks.epoch_lines import EpochLines
from quaterion_core.train.callbacks.progress_bar import QuaterionProgressBar

_LOGGER: Final = "pytorch_lightning.utilities.rank_zero"


class EpochHistory(pl.Callback):
    """Keeps the figures that are logged in each epoch, in checkpoints too.

    Attributes:
        epochs: The figures of each epoch by name.
        recipe: The recipe as YAML, which a run that is resumed has to be of.
    """

    def __init__(self) -> None:
        self.recipe = ""
        self.epochs: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        """Return the figures and the recipe."""
        return {"epochs": self.epochs, "recipe": self.recipe}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the figures of an interrupted run.

        Raises:
            RecipeError: That was a run of another recipe.
        """
        if state_dict["recipe"] != self.recipe:
            raise RecipeError(
                "The recipe was changed since the run was interrupted. Resume with the recipe as "
                "it was, or start over without --resume."
            )
        self.epochs = state_dict["epochs"]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the figures of the epoch."""
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
        history: The callback that keeps the figures of each epoch.
        best: The callback that keeps the weights of the best epoch, if they are to be kept.
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

    What the recipe states wins over what plugins propose, and that over the defaults. Callbacks
    and loggers of all of them are used together.

    Raises:
        Exception: Lightning refuses a value, such as a device that is not there.
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
    if recipe.keep_best is not None:
        monitor, mode = monitored(recipe.keep_best, metrics)
        best = BestEpoch(monitor, "max" if mode == "max" else "min")
        defaults["callbacks"].append(best)
    arguments = lifecycle.trainer_arguments(defaults, given=stated)
    with quiet_lightning():
        return RecipeTrainer(pl.Trainer(**arguments), history, best)


def trainer_faults(arguments: Mapping[str, Any]) -> Iterator[Fault]:
    """Find arguments of the trainer that are unknown, and values of the wrong type."""
    known = callable_arguments(pl.Trainer)
    yield from argument_faults("The trainer", known, arguments, ("trainer",))


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
