"""The random numbers of a training in its checkpoints."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from pytorch_lightning import Callback, LightningModule, Trainer

from quaterion_core.train.gather import is_distributed


class RandomStateCallback(Callback):
    """Keeps the state of all random numbers in checkpoints, of every process.

    A training that goes on from a checkpoint then draws what the first one would have drawn: the
    same dropout, the same order of samples.
    """

    def __init__(self) -> None:
        self._loaded: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        """Return the state in all processes; called in all of them at once."""
        own = _random_state()
        states: list[Any] = [own]
        if is_distributed():
            states = [None] * dist.get_world_size()
            dist.all_gather_object(states, own)
        return {"processes": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember a checkpoint's state until the training starts."""
        self._loaded = state_dict["processes"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with the random numbers where the checkpoint was saved.

        With another number of processes than then, they start as they are.
        """
        if len(self._loaded) == trainer.world_size:
            _set_random_state(self._loaded[trainer.global_rank])
        self._loaded = []


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
