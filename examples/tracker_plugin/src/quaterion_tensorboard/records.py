"""What is recorded of a training; imported only when one is."""

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
    """Make a logger that writes to ``folder/run_name``; nothing is written before it logs."""
    return TensorBoardLogger(folder, name="", version=run_name, default_hp_metric=False)


def record_configuration(trainer: Trainer, model: TrainableModel) -> None:
    """Record the configuration as a text, so that also a run that fails says what it was.

    Raises:
        ValueError: The trainer has no logger of TensorBoard.
    """
    text = json.dumps(configuration(trainer, model), indent=2)
    quoted = "\n".join(f"    {line}" for line in text.splitlines())
    _logger_of(trainer).experiment.add_text("configuration", quoted)


def record_result(trainer: Trainer, model: TrainableModel) -> None:
    """Record the configuration as parameters, with the final metrics."""
    metrics = {f"final/{name}": float(value) for name, value in trainer.callback_metrics.items()}
    logger = _logger_of(trainer)
    logger.log_hyperparams(configuration(trainer, model), metrics)
    logger.save()


def configuration(trainer: Trainer, model: TrainableModel) -> dict[str, Any]:
    """Return the settings of the model's parts and of the trainer, all in one level.

    Lists and mappings, such as the vocabulary of a tokenizer, are left out.
    """
    settings: dict[str, Any] = {"seed": _seed()}
    for place, part in _parts(model):
        settings[place] = type(part).__name__
        try:
            config = part.get_config_dict()
        except NotImplementedError:  # a part need not be savable to be trained
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
    """Return the seed that Lightning was given, if it was."""
    return os.environ.get("PL_GLOBAL_SEED")


def _logger_of(trainer: Trainer) -> TensorBoardLogger:
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            return logger
    raise ValueError(
        "quaterion-tensorboard cannot record: the trainer has no TensorBoardLogger. Leave out the "
        "trainer or its argument logger, or give logger=TensorBoardLogger(...)."
    )
