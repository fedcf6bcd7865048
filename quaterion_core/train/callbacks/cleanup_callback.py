"""The clean-up callback of Quaterion 0.1."""

from __future__ import annotations

from pytorch_lightning import Callback, LightningModule, Trainer


class CleanupCallback(Callback):
    """A callback without effect: ``fit`` restores cached encoders itself, also after an error.

    It is kept for scripts that use it.
    """

    def teardown(
        self, trainer: Trainer, pl_module: LightningModule, stage: str | None = None
    ) -> None:
        """Do nothing."""
