"""Search space: what a trial may choose, for each kind of data."""

from __future__ import annotations

from typing import Any, Final

from quaterion_tune.chooser import Chooser
from quaterion_tune.encoders import ChosenEncoder
from quaterion_tune.recognition import Recognised

METRICS: Final[dict[str, list[Any]]] = {
    "pairs": [{"name": "retrieval-precision", "k": 1}, "retrieval-reciprocal-rank"],
    "scored pairs": ["spearman"],
    "groups": [{"name": "knn-accuracy", "k": 5}],
}
"""Metrics by kind of data; the first one is what a search maximises."""

_EPOCHS: Final = {True: (10, 20, 40), False: (5, 10, 20)}
_BATCH_SIZES: Final = {"text": (128, 512, 1024), "image": (32, 64, 128)}


def first_choices(recognised: Recognised, encoder: ChosenEncoder) -> dict[str, Any]:
    """Return what the first trial chooses: values that work well in general."""
    low, high = _rates(recognised, encoder)
    choices: dict[str, Any] = {
        "scale": 16.0 if recognised.kind == "groups" else 20.0,
        "lr": (low * high) ** 0.5,
        "epochs": _EPOCHS[encoder.is_pretrained][1],
        "batch_size": _BATCH_SIZES[recognised.modality][1],
    }
    if encoder.is_pretrained:
        choices["head"] = "linear"
        if recognised.kind == "groups":
            choices["dropout"] = 0.1
    if recognised.kind == "pairs":
        return {**choices, "symmetric": True, "hubness_reduction": True}
    return {**choices, "loss": "cosface" if recognised.kind == "groups" else "cosent"}


def recipe_of(
    trial: Chooser,
    recognised: Recognised,
    encoder: ChosenEncoder,
    *,
    size: int,
    cache: str,
    seed: int,
) -> dict[str, Any]:
    """Return the recipe that a trial has chosen, without what only the search needs.

    Args:
        trial: Suggests values.
        recognised: The data.
        encoder: The encoder.
        size: Size of its embeddings, if it is pretrained.
        cache: Folder of the embeddings of frozen encoders.
        seed: Seed of the training run.
    """
    kind = recognised.kind
    recipe: dict[str, Any] = {
        "data": recognised.data,
        "encoder": dict(encoder.choice),
        "head": _head(trial, kind, size) if encoder.is_pretrained else "identity",
        "loss": _loss(trial, kind),
        "metrics": METRICS[kind],
        "optimizer": {
            "name": "adamw",
            "lr": trial.suggest_float("lr", *_rates(recognised, encoder), log=True),
            "weight_decay": 0,
        },
        "schedule": {"name": "cosine", "warm_up": 0.1},
        "epochs": trial.suggest_categorical("epochs", _EPOCHS[encoder.is_pretrained]),
        "batch_size": trial.suggest_categorical("batch_size", _BATCH_SIZES[recognised.modality]),
        "seed": seed,
    }
    if kind == "groups":
        recipe["splits"] = {"reference": "train"}
    if encoder.is_pretrained:
        recipe["cache"] = {"save_dir": cache}
    if kind == "pairs" and trial.suggest_categorical("hubness_reduction", [False, True]):
        recipe["hubness_reduction"] = {}
    return recipe


def _rates(recognised: Recognised, encoder: ChosenEncoder) -> tuple[float, float]:
    if encoder.is_pretrained:
        return 3e-4, 1e-2
    return (3e-4, 3e-3) if recognised.modality == "image" else (3e-3, 3e-2)


def _head(trial: Chooser, kind: str, size: int) -> Any:
    dropout = trial.suggest_float("dropout", 0.0, 0.4) if kind == "groups" else 0.0
    if trial.suggest_categorical("head", ["linear", "skip-connection"]) == "skip-connection":
        return {"name": "skip-connection", "dropout": dropout}
    return {
        "name": "linear-projection",
        "output_size": size,
        "bias": False,
        "initial": "identity",
        "dropout": dropout,
    }


def _loss(trial: Chooser, kind: str) -> dict[str, Any]:
    scale = trial.suggest_float("scale", 8.0, 50.0, log=True)
    if kind == "pairs":
        symmetric = trial.suggest_categorical("symmetric", [True, False])
        return {"name": "multiple-negatives-ranking", "scale": scale, "symmetric": symmetric}
    if kind == "scored pairs":
        loss = trial.suggest_categorical("loss", ["cosent", "angle", "cosine-regression"])
        return {"name": loss} if loss == "cosine-regression" else {"name": loss, "scale": scale}
    loss = trial.suggest_categorical("loss", ["cosface", "supcon", "softmax"])
    if loss == "cosface":
        return {"name": loss, "margin": 0.0, "scale": scale}
    return {"name": loss, "temperature": 1 / scale}
