"""Checks of the model, the trainer, the checkpoint and the metrics of a training run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytorch_lightning as pl
import torch

from quaterion_core.dataset.similarity_data_loader import (
    GroupSimilarityDataLoader,
    PairsSimilarityDataLoader,
    SimilarityDataLoader,
)
from quaterion_core.eval.group.group_metric import GroupMetric
from quaterion_core.eval.pair.pair_metric import PairMetric
from quaterion_core.model import SimilarityModel
from quaterion_core.train.trainable_model import TrainableModel
from quaterion_core.utils.given import expected

_CALL: Final = "Quaterion.fit(trainable_model, trainer, train_dataloader)"
_KEYWORDS: Final = ("best", "last", "hpc", "registry")
"""Values of ``ckpt_path`` for which Lightning looks up the checkpoint itself."""


def check_model_and_trainer(model: object, trainer: object) -> None:
    """Check the types of the model and the trainer.

    Raises:
        TypeError: One of them is of the wrong type, or they are swapped.
    """
    if not isinstance(model, TrainableModel):
        advice = ""
        if isinstance(model, pl.Trainer):
            advice = f"Pass the model first: {_CALL}."
        elif isinstance(model, SimilarityModel):
            advice = (
                "It has no loss. Pass the TrainableModel whose `model` it is, or make one with "
                "Quaterion.build(encoder=..., head=..., loss=...)."
            )
        elif not isinstance(model, type):
            advice = "Make one with Quaterion.build(encoder=..., head=..., loss=...)."
        raise expected("trainable_model", "a TrainableModel", model, advice)
    if trainer is not None and not isinstance(trainer, pl.Trainer):
        advice = ""
        if isinstance(trainer, Mapping):
            advice = "Pass pytorch_lightning.Trainer(**arguments)."
        elif type(trainer).__name__ == "Trainer":
            advice = f"That one is from {type(trainer).__module__}; import pytorch_lightning."
        elif not isinstance(trainer, type):
            advice = f"The order is {_CALL}."
        raise expected("trainer", "a pytorch_lightning.Trainer or None", trainer, advice)


def check_checkpoint(path: object) -> None:
    """Check that the checkpoint to resume from exists.

    Raises:
        TypeError: It is not a path.
        FileNotFoundError: The path does not exist.
    """
    if path is None or path in _KEYWORDS:
        return
    if not isinstance(path, (str, os.PathLike)):
        raise expected("ckpt_path", "the path of a checkpoint or None", path)
    if "://" not in os.fspath(path) and not Path(path).exists():
        raise FileNotFoundError(
            "Expected ckpt_path to be a Lightning checkpoint, but there is no file "
            f"{os.fspath(path)!r}. Leave ckpt_path out to train from the start."
        )


def check_metrics_fit(model: TrainableModel, loader: SimilarityDataLoader[Any], name: str) -> None:
    """Check that the attached metrics support the samples of a loader.

    Raises:
        TypeError: A metric over groups is used with pairs, or one over pairs with groups.
    """
    for loader_type, metric_type, samples, metrics in (
        (PairsSimilarityDataLoader, GroupMetric, "pairs", "retrieval-precision, spearman"),
        (GroupSimilarityDataLoader, PairMetric, "groups", "recall-at-k, retrieval-r-precision"),
    ):
        wrong = [
            f"{attached.name!r} ({type(attached.metric).__name__})"
            for attached in model.metrics
            if isinstance(loader, loader_type) and isinstance(attached.metric, metric_type)
        ]
        if wrong:
            raise TypeError(
                f"Expected metrics over {samples} for {name}, a {type(loader).__name__}, got "
                f"{', '.join(wrong)}. Choose metrics over {samples}, such as {metrics}."
            )


def check_weights(model: TrainableModel) -> None:
    """Check that the trainable weights are in a precision that an optimizer can update.

    Raises:
        ValueError: They are in float16, in which small steps become 0 or NaN.
    """
    half = [n for n, p in model.named_parameters() if p.requires_grad and p.dtype == torch.float16]
    if half:
        raise ValueError(
            f"Expected trainable weights in float32, got float16, such as {half[0]!r}: there the "
            "steps of an optimizer become 0 or NaN. Call model.float(), and pass "
            "precision='16-mixed' to the trainer for half precision."
        )
