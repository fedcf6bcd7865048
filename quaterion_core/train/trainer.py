"""Default arguments of a trainer."""

from __future__ import annotations

from typing import Any, Final, Literal

from pytorch_lightning.callbacks import EarlyStopping, ModelSummary
from torch.utils.data import DataLoader

from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader
from quaterion_core.train.callbacks.progress_bar import QuaterionProgressBar
from quaterion_core.train.trainable_model import TrainableModel
from quaterion_core.utils.given import expected

EPOCHS_WITHOUT_VALIDATION: Final = 100
"""Maximum number of epochs if ``train_loss``, which keeps falling, is monitored."""


def trainer_defaults(
    trainable_model: TrainableModel | None = None,
    train_dataloader: SimilarityDataLoader[Any] | None = None,
    *,
    monitor: str = "validation_loss",
    mode: Literal["min", "max"] = "min",
) -> dict[str, Any]:
    """Return arguments for ``pl.Trainer``, which stops when ``monitor`` no longer improves.

    See :meth:`Quaterion.trainer_defaults <quaterion_core.Quaterion.trainer_defaults>`.
    """
    if trainable_model is not None and not isinstance(trainable_model, TrainableModel):
        advice = "The order is Quaterion.trainer_defaults(trainable_model, train_dataloader)."
        raise expected("trainable_model", "a TrainableModel", trainable_model, advice)
    if train_dataloader is not None and not isinstance(train_dataloader, DataLoader):
        advice = "Pass PairsSimilarityDataLoader(data) or GroupSimilarityDataLoader(data)."
        raise expected("train_dataloader", "a data loader", train_dataloader, advice)
    on_training = monitor == "train_loss"
    defaults: dict[str, Any] = {
        "callbacks": [
            QuaterionProgressBar(),
            EarlyStopping(monitor, min_delta=1e-3 if on_training else 0.0, mode=mode),
            ModelSummary(max_depth=3),
        ],
        "max_epochs": EPOCHS_WITHOUT_VALIDATION if on_training else -1,
    }
    dataset = getattr(train_dataloader, "dataset", None)
    if train_dataloader is not None and hasattr(dataset, "__len__"):
        defaults["log_every_n_steps"] = max(1, min(50, len(train_dataloader)))
    if trainable_model is not None:
        encoders = sorted(trainable_model.model.encoders)
        if trainable_model.cached_encoders() == encoders:
            defaults["enable_checkpointing"] = False
    return defaults


def without_switched_off(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of a trainer without the default callbacks that its flags disable.

    Lightning raises an error for a progress bar together with ``enable_progress_bar=False``, which
    a plugin may propose.

    Example:
        >>> found = without_switched_off({**trainer_defaults(), "enable_progress_bar": False})
        >>> [type(callback).__name__ for callback in found["callbacks"]]
        ['EarlyStopping', 'ModelSummary']
    """
    off = tuple(cls for name, cls in _SWITCHES.items() if arguments.get(name) is False)
    callbacks = arguments.get("callbacks") or []
    return {**arguments, "callbacks": [c for c in callbacks if not isinstance(c, off)]}


_SWITCHES: Final[dict[str, type]] = {
    "enable_progress_bar": QuaterionProgressBar,
    "enable_model_summary": ModelSummary,
}
