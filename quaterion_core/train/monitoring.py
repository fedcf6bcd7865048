"""Values that callbacks monitor: their names, their modes, and whether they will be logged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl

from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader
from quaterion_core.dataset.targets import stable_id
from quaterion_core.eval.monitored import Mode, monitored, unknown_monitor, wrong_mode
from quaterion_core.loss.group_index import GroupIndex
from quaterion_core.plugins.nearest import nearest
from quaterion_core.train.assembly import AssembledModel
from quaterion_core.train.trainable_model import TrainableModel


def check_monitors(
    trainer: pl.Trainer,
    model: TrainableModel,
    train: SimilarityDataLoader[Any],
    validation: SimilarityDataLoader[Any] | None,
) -> None:
    """Check that what the callbacks of a trainer monitor will be logged, and that modes fit.

    Args:
        trainer: The trainer.
        model: The model, with its metrics and its loss.
        train: Training data.
        validation: Validation data, if there are any.

    Raises:
        ValueError: A callback monitors what is not logged, or the wrong direction of a metric.
    """
    for callback, monitor in _monitors(trainer):
        kind = type(callback).__name__
        if validation is None and "validation" in monitor:
            raise ValueError(
                f"The trainer's {kind} monitors {monitor!r}, but fit() got no val_dataloader. Pass "
                "one, or create the callback with monitor='train_loss'."
            )
        message = unknown_monitor(monitor, model.metrics)
        known = [metric.name for metric in model.metrics]
        if message and (isinstance(model, AssembledModel) or nearest(monitor, known)):
            raise ValueError(f"The trainer's {kind} monitors {monitor!r}. {message}")
        name, mode = monitored(monitor, model.metrics)
        if name != monitor:
            raise ValueError(
                f"The trainer's {kind} monitors {monitor!r}, which is logged as {name!r}. Create "
                f"the callback with monitor={name!r}, mode={mode!r}."
            )
        wrong = wrong_mode(monitor, getattr(callback, "mode", mode), model.metrics)
        if message is None and wrong:
            raise ValueError(f"{wrong} Create the trainer's {kind} with mode={mode!r}.")
        if monitor == "validation_loss" and validation is not None:
            _check_groups_are_known(kind, model, train, validation)


def check_keep_best(monitor: str, model: TrainableModel, *, has_validation: bool) -> None:
    """Check that the value by which epochs are compared will be logged.

    Raises:
        ValueError: It will not.
    """
    message = unknown_monitor(monitor, model.metrics)
    if message and isinstance(model, AssembledModel):
        raise ValueError(f"Expected keep_best to name a logged value, got {monitor!r}. {message}")
    name, _ = monitored(monitor, model.metrics)
    if not has_validation and "validation" in name:
        raise ValueError(
            f"keep_best={monitor!r} compares epochs by {name!r}, but fit() got no val_dataloader. "
            "Pass one, or keep_best='train_loss'."
        )


def default_monitor(
    model: TrainableModel,
    train: SimilarityDataLoader[Any],
    validation: SimilarityDataLoader[Any] | None,
) -> tuple[str, Mode]:
    """Return what the default trainer monitors, and its mode.

    ``validation_loss`` where there are validation data that the loss knows; otherwise the first
    metric, or ``train_loss``.
    """
    if validation is None:
        return "train_loss", "min"
    if not _are_groups_unknown(model, train, validation):
        return "validation_loss", "min"
    if model.metrics:
        return monitored(model.metrics[0].name, model.metrics)
    return "train_loss", "min"


def _monitors(trainer: pl.Trainer) -> Iterator[tuple[pl.Callback, str]]:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str):
            yield callback, monitor


def _check_groups_are_known(
    kind: str,
    model: TrainableModel,
    train: SimilarityDataLoader[Any],
    validation: SimilarityDataLoader[Any],
) -> None:
    if not _are_groups_unknown(model, train, validation):
        return
    metric = model.metrics[0].name if model.metrics else None
    advice = (
        f"Monitor a metric, such as monitor='{metric}_validation'"
        if metric
        else "Attach a metric and monitor it, such as metrics=['recall-at-k']"
    )
    raise ValueError(
        f"The trainer's {kind} monitors 'validation_loss', which is not logged: "
        f"{type(model.loss).__name__} has weights for the groups of the training data alone, and "
        f"the validation data have none of these groups. {advice}, or monitor='train_loss'."
    )


def _are_groups_unknown(
    model: TrainableModel, train: SimilarityDataLoader[Any], validation: SimilarityDataLoader[Any]
) -> bool:
    """Whether the loss learns weights of groups, of which the validation data have none.

    Only lists of samples are looked at.
    """
    if not any(isinstance(module, GroupIndex) for module in model.loss.modules()):
        return False
    groups = []
    for loader in (train, validation):
        samples: Any = loader.dataset
        if not isinstance(samples, (list, tuple)) or "collate_fn" in loader.original_params:
            return False
        groups.append({stable_id(sample.group) for sample in samples})
    return groups[0].isdisjoint(groups[1])
