"""State that a checkpoint needs, besides Lightning's, for a run to resume exactly."""

from __future__ import annotations

import random
from typing import Any, Final

import numpy as np
import torch
import torch.distributed as dist
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy

from quaterion_core.train.epoch_loader import EpochLoader, StreamLoader
from quaterion_core.train.gather import is_distributed

_LAST_RUN: Final = "_quaterion_last_run"
"""Attribute of a trainer whose training run has ended."""

_KEY: Final = "quaterion_resume"
_COUNTS: Final = ("ready", "started", "processed", "completed")


class ResumeCallback(Callback):
    """Exact resumption of a training run from a checkpoint.

    A checkpoint contains the position in the epoch and its order, the random states of every
    process, and gradients that are accumulated but not applied yet. Lightning's own counters are
    normalized to one of two states: in mid-epoch after a whole number of batches, or between two
    epochs. So it does not matter in which hook, how often, or after which batch a checkpoint was
    saved, nor whether the run has ended by then.

    Args:
        loader: The training loader.
    """

    def __init__(self, loader: object = None):
        self._loader = loader if isinstance(loader, (EpochLoader, StreamLoader)) else None
        self._loaded: dict[str, Any] = {}
        self._random_at_end: list[Any] | None = None

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the state; called in all processes at once."""
        batches: Any = trainer.fit_loop.epoch_loop.batch_progress
        done = batches.current.processed
        is_over = done > 0 and (
            done >= trainer.num_training_batches
            or (batches.is_last_batch and done == batches.current.ready)
        )
        random_states = self._random_at_end or _random_states()
        state: dict[str, Any] = {"random": random_states, "gradients": {}}
        if self._loader is not None:
            place = {"position": done, "is_over": is_over}
            state["loader"] = {**self._loader.state_dict(), **place}
        if not is_over and done % trainer.accumulate_grad_batches:
            state["gradients"] = _gradients(trainer, pl_module)
        checkpoint[_KEY] = state
        loops = checkpoint["loops"]["fit_loop"]
        loops["state_dict"].pop("combined_loader", None)  # it ignores limit_train_batches
        if is_over:
            _place_between_epochs(loops)
        else:
            _place_after_batch(loops, has_stepped=not trainer.fit_loop._should_accumulate())

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore the position in the data."""
        self._loaded = checkpoint.get(_KEY, {})
        if self._loader is not None and "loader" in self._loaded:
            self._loader.load_state_dict(self._loaded["loader"])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the random states and the gradients of the checkpoint.

        If the number of processes has changed, random states are left as they are.
        """
        states = self._loaded.get("random", [])
        if len(states) == trainer.world_size:
            _set_random_state(states[trainer.global_rank])
        gradients = self._loaded.get("gradients", {})
        for name, parameter in pl_module.named_parameters():
            if name in gradients:
                parameter.grad = gradients[name].to(parameter)
        self._loaded = {}

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember the random states for a checkpoint that is saved later."""
        self._random_at_end = _random_states()


def remember_run(trainer: Trainer, callback: ResumeCallback) -> None:
    """Remember the callback of a training run that has ended, for checkpoints saved later."""
    vars(trainer)[_LAST_RUN] = callback


def last_run(trainer: Trainer) -> ResumeCallback | None:
    """Return the callback of the run that has ended; ``None`` in a run, which has its own."""
    if any(isinstance(callback, ResumeCallback) for callback in trainer.callbacks):  # type: ignore[attr-defined]
        return None
    callback: ResumeCallback | None = vars(trainer).get(_LAST_RUN)
    return callback


def _place_between_epochs(loops: dict[str, Any]) -> None:
    """Count the epoch whose last batch is done as completed, and begin with the next."""
    epochs, batches = loops["epoch_progress"], loops["epoch_loop.batch_progress"]
    is_counted = epochs["current"]["processed"] == epochs["current"]["started"]
    if not is_counted:
        loops["epoch_loop.state_dict"]["_batches_that_stepped"] += 1
    for counts in (epochs["total"], epochs["current"]):
        counts.update(dict.fromkeys(_COUNTS, counts["processed"] + (not is_counted)))
    batches["total"].update(dict.fromkeys(_COUNTS, batches["total"]["processed"]))
    batches["current"].update(dict.fromkeys(_COUNTS, 0))
    batches["is_last_batch"] = False


def _place_after_batch(loops: dict[str, Any], *, has_stepped: bool) -> None:
    """Count the batches that were processed as completed, and begin with the next."""
    batches = loops["epoch_loop.batch_progress"]
    if has_stepped and 0 < batches["current"]["processed"] == batches["current"]["ready"]:
        loops["epoch_loop.state_dict"]["_batches_that_stepped"] += 1
    for counts in (batches["total"], batches["current"]):
        counts.update(dict.fromkeys(_COUNTS, counts["processed"]))
    batches["is_last_batch"] = False


def _gradients(trainer: Trainer, module: LightningModule) -> dict[str, torch.Tensor]:
    """Return the accumulated gradients, averaged over processes."""
    if not isinstance(trainer.strategy, (SingleDeviceStrategy, DDPStrategy)):
        return {}  # sharded
    gradients = {
        name: parameter.grad.detach().clone()
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }
    if is_distributed():
        for gradient in gradients.values():
            dist.all_reduce(gradient)
            gradient /= dist.get_world_size()
    return gradients


def _random_states() -> list[Any]:
    """Return the random state of each process."""
    own = _random_state()
    if not is_distributed():
        return [own]
    states: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(states, own)
    return states


def _random_state() -> dict[str, Any]:
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": [name, torch.from_numpy(np.array(keys, dtype=np.int64)), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _set_random_state(state: dict[str, Any]) -> None:
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"].cpu())
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([values.cpu() for values in state["cuda"]])
