"""Records of a training run; imported only when a run is recorded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, Final

from pytorch_lightning import Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from quaterion_core import TrainableModel

_TRAINER_SETTINGS: Final = ("max_epochs", "max_steps", "precision", "accumulate_grad_batches")


def new_logger(folder: str, run_name: str) -> TensorBoardLogger:
    """Return a logger that writes to ``folder/run_name``, starting with the first record."""
    return TensorBoardLogger(folder, name="", version=run_name, default_hp_metric=False)


def record_configuration(trainer: Trainer, model: TrainableModel) -> None:
    """Record the configuration as a text.

    Raises:
        ValueError: The trainer has no ``TensorBoardLogger``.
    """
    text = json.dumps(configuration(trainer, model), indent=2)
    quoted = "\n".join(f"    {line}" for line in text.splitlines())
    _logger_of(trainer).experiment.add_text("configuration", quoted)


def record_result(trainer: Trainer, model: TrainableModel) -> None:
    """Record the configuration as hyperparameters, with the final metrics."""
    metrics = {f"final/{name}": float(value) for name, value in trainer.callback_metrics.items()}
    logger = _logger_of(trainer)
    logger.log_hyperparams(configuration(trainer, model), metrics)
    logger.save()


def configuration(trainer: Trainer, model: TrainableModel) -> dict[str, Any]:
    """Return the settings of encoders, head, loss and trainer as one flat mapping.

    Lists and mappings, such as the vocabulary of a tokenizer, are omitted.
    """
    settings: dict[str, Any] = {"seed": _seed()}
    for place, part in _parts(model):
        settings[place] = type(part).__name__
        try:
            config = part.get_config_dict()
        except NotImplementedError:  # a component that cannot be saved
            continue
        settings |= {
            f"{place}.{name}": value
            for name, value in config.items()
            if isinstance(value, (bool, int, float, str))
        }
    settings |= {f"trainer.{name}": getattr(trainer, name) for name in _TRAINER_SETTINGS}
    return {name: value for name, value in settings.items() if value is not None}


def _parts(model: TrainableModel) -> Iterator[tuple[str, Any]]:
    for key, encoder in model.model.encoders.items():
        yield f"encoder.{key}", encoder
    yield "head", model.model.head
    yield "loss", model.loss


def _seed() -> str | None:
    """Return the seed passed to ``pl.seed_everything``, if any."""
    return os.environ.get("PL_GLOBAL_SEED")


def _logger_of(trainer: Trainer) -> TensorBoardLogger:
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            return logger
    given = ", ".join(type(logger).__name__ for logger in trainer.loggers) or "no logger"
    raise ValueError(
        f"quaterion-tensorboard cannot record the run: expected a TensorBoardLogger, got {given}. "
        "Omit the trainer or its argument logger, or pass logger=TensorBoardLogger(...)."
    )
