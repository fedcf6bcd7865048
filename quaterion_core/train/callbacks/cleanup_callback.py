"""The callback that cleaned up after a cached training of Quaterion 0.1."""

from __future__ import annotations

from pytorch_lightning import Callback, LightningModule, Trainer


class CleanupCallback(Callback):
    """Has nothing left to do: ``fit`` puts cached encoders back itself, whatever happens in it.

    It exists for scripts that name it.
    """

    def teardown(
        self, trainer: Trainer, pl_module: LightningModule, stage: str | None = None
    ) -> None:
        """Do nothing."""
