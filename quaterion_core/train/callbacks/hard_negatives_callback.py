"""Periodic mining of hard negatives."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info

from quaterion_core.mining import MinedPairs
from quaterion_core.model import SimilarityModel
from quaterion_core.train.trainable_model import TrainableModel


class HardNegativesCallback(Callback):
    """Mining of the negatives of a :class:`~quaterion_core.mining.MinedPairs` every n epochs.

    In distributed training every process mines, and all use the result of the first one. A run
    that is resumed from a checkpoint keeps its negatives.

    Args:
        pairs: The dataset that the training loader reads.
        every_n_epochs: Number of epochs to train on the same negatives.
        first_epoch: The epoch before which to mine first, counted from 0. Until then the negatives
            are random.
        guide: A second model that identifies false negatives. It runs on its own device.
        batch_size: Number of objects that are embedded at once.

    Raises:
        ValueError: A number is out of range; or, when the training run starts, a frozen encoder is
            cached or the training loader does not read ``pairs``.

    Example:
        >>> from quaterion_core.dataset import SimilarityPairSample
        >>> samples = [SimilarityPairSample("hot", "warm"), SimilarityPairSample("cold", "icy")]
        >>> callback = HardNegativesCallback(MinedPairs(samples), every_n_epochs=2)
    """

    def __init__(
        self,
        pairs: MinedPairs,
        every_n_epochs: int = 1,
        first_epoch: int = 0,
        *,
        guide: SimilarityModel | None = None,
        batch_size: int = 32,
    ):
        if every_n_epochs < 1 or first_epoch < 0:
            raise ValueError(
                "Expected every_n_epochs to be at least 1 and first_epoch to be at least 0, got "
                f"{every_n_epochs} and {first_epoch}."
            )
        self.pairs = pairs
        self.every_n_epochs = every_n_epochs
        self.first_epoch = first_epoch
        self._guide = guide
        self._batch_size = batch_size
        self._next_epoch = first_epoch
        self._goes_on = False

    def state_dict(self) -> dict[str, Any]:
        """Return the negatives, and when to mine again, for a checkpoint."""
        return {**self.pairs.state_dict(), "next_epoch": self._next_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the negatives of a checkpoint."""
        self.pairs.load_state_dict(state_dict)
        self._next_epoch = state_dict["next_epoch"]
        self._goes_on = True

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Mine for the first epoch; later hooks run after its first batches are read."""
        _check_no_cache(pl_module)
        if self._goes_on:
            return
        self._next_epoch = self.first_epoch
        if self.first_epoch == 0:
            self._mine(trainer, pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check that the training loader reads the pairs."""
        self._goes_on = False
        if getattr(trainer.train_dataloader, "dataset", None) is not self.pairs:
            raise ValueError(
                "HardNegativesCallback mines for pairs that the training loader does not read. "
                "Make the loader from the dataset that the callback gets: "
                "PairsSimilarityDataLoader(pairs, ...)."
            )

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Mine if an interval has passed."""
        if trainer.current_epoch >= self._next_epoch:
            self._mine(trainer, pl_module)

    def _mine(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, TrainableModel)
        report = self.pairs.mine(pl_module.model, guide=self._guide, batch_size=self._batch_size)
        # Devices may differ in the last digit, and with it in what is nearest.
        self.pairs.negatives.copy_(trainer.strategy.broadcast(self.pairs.negatives))
        self._next_epoch = trainer.current_epoch + self.every_n_epochs
        rank_zero_info(f"Before epoch {trainer.current_epoch}: {report}")


def _check_no_cache(pl_module: LightningModule) -> None:
    """Raise a ``ValueError`` if an encoder is cached: the cache holds the first negatives only."""
    if not isinstance(pl_module, TrainableModel):
        raise TypeError(
            "Expected HardNegativesCallback to be used with a TrainableModel, got a "
            f"{type(pl_module).__name__}."
        )
    cached = pl_module.cached_encoders()
    if cached:
        raise ValueError(
            f"The encoder {cached[0]!r} is cached with the negatives that the pairs have at the "
            "start, so new ones would never be trained on. Train without a cache, or mine once "
            "beforehand with mine_hard_negatives() and train on its result."
        )
