"""Detection of gradients that are not finite, and of runs in which no weight changes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor
from torch.optim import Optimizer

from quaterion_core.train.errors import NotFiniteError, NothingToLearnError
from quaterion_core.train.samples import describe_batch

STEPS_BETWEEN_LOOKS: Final = 50
"""Number of steps between checks of the gradients on a device that has to be synchronized."""

_EPOCHS_WITHOUT_GRADIENT: Final = 3
_HALF_EPS: Final = 1e-4
_WAY_OUT: Final = (
    "Lower the learning rate, clip gradients with Trainer(gradient_clip_val=1.0), train in float32 "
    "or bfloat16 instead of float16, or check"
)


class GuardCallback(Callback):
    """Early termination of a training run at a gradient that is not finite.

    On the CPU the run stops before the step, and the model keeps the weights of the step before.
    Checking each gradient on a GPU would synchronize at every step; there the run stops within 50
    steps, at the end of the epoch, or before a checkpoint is saved. No checkpoint contains weights
    that such a gradient has changed.

    An optimizer's ``eps`` that rounds to 0 in float16, such as the default of Adam, would lead to
    a division of 0 by 0 in the first step of a float16 model (``precision="16-true"``). It is
    raised to 1e-4.

    A run is also stopped if its gradients are all zero for three epochs or until its end, or if
    its learning rates are all zero.

    Under float16 mixed precision the gradient scaler itself skips steps with infinite gradients,
    so only the loss is checked.
    """

    def __init__(self) -> None:
        self._batch_idx = 0
        self._loss: Tensor | None = None
        self._largest: Tensor | None = None
        self._steps = 0
        self._epochs = 0
        self._is_new = True
        self._has_learnt = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the learning rates, and the ``eps`` of float16 models."""
        _raise_eps(trainer.optimizers)
        self._steps, self._epochs, self._has_learnt = 0, 0, False
        self._largest = None
        self._is_new = trainer.global_step == 0
        rates = [
            group.get("initial_lr", group.get("lr"))
            for optimizer in trainer.optimizers
            for group in optimizer.param_groups
        ]
        if rates and all(rate is not None and float(rate) == 0 for rate in rates):
            raise NothingToLearnError(
                "All learning rates of the optimizer are 0, so no weight would change. Pass a "
                "positive lr."
            )

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Remember the batch's number."""
        self._batch_idx = batch_idx

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Remember the loss."""
        self._loss = loss.detach()

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Check the gradients."""
        self._steps += 1
        if getattr(trainer.precision_plugin, "scaler", None) is not None:
            self._has_learnt = True
            if self._loss is not None and not torch.isfinite(self._loss):
                raise NotFiniteError(self._explained(trainer, f"The loss is {float(self._loss)}"))
            return
        largest = _largest(optimizer)
        if largest is None:
            return
        # The maximum of a number and NaN is NaN.
        self._largest = largest if self._largest is None else self._largest.maximum(largest)
        if _is_free_to_look_at(largest):
            if not torch.isfinite(largest):
                self._refuse_step(trainer, pl_module)
            self._look(trainer)
        elif self._steps % STEPS_BETWEEN_LOOKS == 0:
            self._look(trainer)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Check the gradients since the last check, so that no broken weights are saved."""
        self._look(trainer)

    def _look(self, trainer: Trainer) -> None:
        """Check the gradients since the last check; this synchronizes with the device."""
        if self._largest is None:
            return
        largest = float(self._largest)
        if not math.isfinite(largest):  # which stays so: no checkpoint may follow
            raise NotFiniteError(
                f"A gradient was NaN or infinite in one of the {STEPS_BETWEEN_LOOKS} steps up to "
                f"step {trainer.global_step} (the loss is {_number(self._loss)}), and the weights "
                f"changed with it. Resume from an earlier checkpoint. {_WAY_OUT} the data."
            )
        self._largest = None
        self._has_learnt = self._has_learnt or largest > 0

    def _refuse_step(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raise an error that names the gradients that are not finite."""
        self._largest = None  # the weights are good
        named = [
            name
            for name, parameter in pl_module.named_parameters()
            if parameter.grad is not None and not torch.isfinite(parameter.grad).all()
        ]
        pl_module.zero_grad()  # a checkpoint holds gradients that are accumulated
        others = f" and {len(named) - 1} others" if len(named) > 1 else ""
        raise NotFiniteError(
            self._explained(
                trainer,
                f"The gradient of {named[0] if named else 'a parameter'}{others} is NaN or "
                f"infinite (the loss is {_number(self._loss)})",
            )
        )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check that some gradient was nonzero in the last three epochs."""
        self._look(trainer)
        self._epochs += 1
        if self._has_learnt or not self._steps:
            return
        if self._epochs == 1:
            rank_zero_warn(self._nothing_learnt())
        elif self._epochs >= _EPOCHS_WITHOUT_GRADIENT:
            self._stop()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check that some gradient was nonzero."""
        self._look(trainer)
        if self._steps and not self._has_learnt:
            self._stop()

    def _stop(self) -> None:
        if self._is_new:  # one that is continued may have learnt all there is
            raise NothingToLearnError(self._nothing_learnt())

    def _nothing_learnt(self) -> str:
        return (
            f"All gradients were zero in each of the {self._steps} steps so far, so no weight has "
            f"changed (the loss is {_number(self._loss)}). Either the batches contain nothing to "
            "learn from, such as no two samples of one group: try batch_sampler='groups', a larger "
            "batch_size, or another loss. Or the model already satisfies the loss."
        )

    def _explained(self, trainer: Trainer, fault: str) -> str:
        return (
            f"{fault} {describe_batch(trainer, self._batch_idx)}. The step is not taken: the model "
            f"has the weights of step {trainer.global_step}. {_WAY_OUT} these samples."
        )


def _largest(optimizer: Optimizer) -> Tensor | None:
    """Return the largest absolute value of all gradients, or NaN; None without gradients."""
    gradients = [
        parameter.grad.coalesce().values() if parameter.grad.is_sparse else parameter.grad
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None and parameter.grad.numel()
    ]
    if not gradients:
        return None
    norms = torch._foreach_norm(gradients, float("inf"))
    device = norms[0].device
    return torch.stack([norm.to(device, torch.float32) for norm in norms]).max()


def _is_free_to_look_at(value: Tensor) -> bool:
    """Whether the value can be read without synchronizing with the device."""
    return value.device.type == "cpu"


def _number(loss: Tensor | None) -> str:
    return "unknown" if loss is None else f"{float(loss):.4f}"


def _raise_eps(optimizers: Iterable[Optimizer]) -> None:
    """Raise the ``eps`` of float16 parameters where float16 rounds it to 0.

    Squared gradients below 6e-8 are 0 in float16, too. With 1e-4, the step of such a parameter is
    about the ratio of its gradient to the smallest gradient whose square is not 0.
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            eps = group.get("eps")
            is_half = any(parameter.dtype == torch.float16 for parameter in group["params"])
            if eps and is_half and torch.tensor(eps, dtype=torch.float16) == 0:
                group["eps"] = _HALF_EPS
                rank_zero_warn(
                    f"eps={eps:g} of {type(optimizer).__name__} is 0 in float16, so the first step "
                    f"would result in NaN. It was raised to {_HALF_EPS:g}. Prefer "
                    "precision='16-mixed' or 'bf16-true', or set eps."
                )
