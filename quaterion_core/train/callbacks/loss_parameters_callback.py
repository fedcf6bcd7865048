"""Optimization of a loss's parameters that no optimizer holds."""

from __future__ import annotations

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info

from quaterion_core.train.trainable_model import TrainableModel


class LossParametersCallback(Callback):
    """Addition of a loss's parameters that no optimizer holds to the first optimizer.

    Class centres and proxies are parameters of the loss, so an optimizer over
    ``self.model.parameters()`` would never update them. They are added to its first parameter
    group, with its learning rate and schedule.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the parameters of the loss that no optimizer holds."""
        if not isinstance(pl_module, TrainableModel) or not trainer.optimizers:
            return
        held = {
            id(parameter)
            for optimizer in trainer.optimizers
            for group in optimizer.param_groups
            for parameter in group["params"]
        }
        missing = {
            name: parameter
            for name, parameter in pl_module.loss.named_parameters()
            if parameter.requires_grad and id(parameter) not in held
        }
        if not missing:
            return
        trainer.optimizers[0].param_groups[0]["params"].extend(missing.values())
        rank_zero_info(
            f"The optimizer does not hold the parameters {', '.join(missing)} of "
            f"{type(pl_module.loss).__name__}; added them to its first parameter group."
        )
