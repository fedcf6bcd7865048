"""The samples of a batch, for error messages."""

from __future__ import annotations

from typing import Any, Final

import pytorch_lightning as pl

_MOST_NAMED: Final = 10


def batch_samples(trainer: pl.Trainer, batch_idx: int) -> list[int]:
    """Return the indices of a batch's samples in their dataset; empty if they are not known."""
    loader: Any = trainer.train_dataloader if trainer.training else trainer.val_dataloaders
    samples = getattr(loader, "samples_of_batch", None)
    return [] if samples is None else samples(batch_idx)


def describe_batch(trainer: pl.Trainer, batch_idx: int) -> str:
    """Return a description of a batch: epoch, number, step and samples.

    Example:
        >>> describe_batch(pl.Trainer(logger=False, accelerator="cpu"), 3)
        'in epoch 0, batch 3 (step 0)'
    """
    where = f"in epoch {trainer.current_epoch}, batch {batch_idx} (step {trainer.global_step})"
    samples = batch_samples(trainer, batch_idx)
    if not samples:
        return where
    named = ", ".join(map(str, samples[:_MOST_NAMED]))
    more = f" and {len(samples) - _MOST_NAMED} more" if len(samples) > _MOST_NAMED else ""
    data = "training" if trainer.training else "validation"
    return f"{where}, samples {named}{more} of the {data} data"
