"""The loader that a training reads: shared by all processes, and resumable in mid-epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, IterableDataset

from quaterion_core.train.epoch_batches import BatchPlan, EpochBatches, LoaderPlan
from quaterion_core.train.gather import is_distributed

_KEPT: Final = (
    "collate_fn", "num_workers", "pin_memory", "timeout", "worker_init_fn",
    "multiprocessing_context", "prefetch_factor", "persistent_workers", "pin_memory_device",
    "in_order",
)  # fmt: skip


def epoch_loader(
    loader: DataLoader[Any], plan: BatchPlan | None = None, *, fixed_order: bool = False
) -> EpochLoader | DataLoader[Any]:
    """Make a loader for training out of a plain one, which is not changed.

    Args:
        loader: Data set, collate function and workers.
        plan: The batches of an epoch; by default those that the loader's own sampler gives.
        fixed_order: Give the same batches in every epoch.

    Returns:
        The given loader where there is nothing to plan: over iterable data, which has to divide
        itself over processes, without batches, or with a sampler that has no end.
    """
    if isinstance(loader.dataset, IterableDataset) or loader.batch_sampler is None:
        return loader
    if plan is None and not _has_length(loader):
        return loader
    batches = EpochBatches(plan or LoaderPlan(loader))
    arguments = {name: getattr(loader, name) for name in _KEPT if hasattr(loader, name)}
    planned = DataLoader(loader.dataset, batch_sampler=batches, **arguments)
    return EpochLoader(planned, batches, fixed_order=fixed_order)


class EpochLoader:
    """Loads the batches of this process, one epoch after another.

    It is no :class:`torch.utils.data.DataLoader`, so that Lightning leaves it as it is, and does
    not repeat samples to make the processes' shares equal. What Lightning keeps of it in a
    checkpoint is the seed of the epoch and the number of batches that were read of it.

    Args:
        loader: A loader whose batch sampler is ``batches``. Each epoch gives it a generator, which
            seeds workers.
        batches: The batches of this process.
        fixed_order: Give the same batches in every epoch, as for validation.
    """

    def __init__(
        self, loader: DataLoader[Any], batches: EpochBatches, *, fixed_order: bool = False
    ):
        self._loader = loader
        self._batches = batches
        self._fixed_order = fixed_order
        self._seed = 0
        self._position = 0
        self._goes_on = False

    @property
    def dataset(self) -> Any:
        """The data set that is loaded."""
        return self._loader.dataset

    def __len__(self) -> int:
        return self._batches.length(*_place())

    def __iter__(self) -> Iterator[Any]:
        if not self._goes_on or self._position >= len(self):
            self._seed = 0 if self._fixed_order else _common_seed()
            self._position = 0
        self._goes_on = False
        rank, processes = _place()
        self._batches.start(self._seed, rank, processes, skip=self._position)
        # Made here, since a generator cannot be passed on to a process that is spawned.
        self._loader.generator = torch.Generator().manual_seed(self._seed + rank)
        for batch in self._loader:
            self._position += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return where in which epoch this loader is."""
        return {"seed": self._seed, "position": self._position, "length": len(self)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where another loader was.

        Raises:
            ValueError: That one had another number of batches.
        """
        if state["length"] != len(self):
            raise ValueError(
                f"The checkpoint was saved in the middle of an epoch of {state['length']} batches, "
                f"but now an epoch has {len(self)}. Go on with the same data, batch size and "
                "number of processes, or from a checkpoint of the end of an epoch."
            )
        self._seed, self._position = state["seed"], state["position"]
        self._goes_on = True


def _has_length(loader: DataLoader[Any]) -> bool:
    """Tell whether an epoch has an end; a sampler without a length may have none."""
    try:
        len(loader)
    except TypeError:
        return False
    return True


def _place() -> tuple[int, int]:
    """Return the number of this process and the number of processes."""
    return (dist.get_rank(), dist.get_world_size()) if is_distributed() else (0, 1)


def _common_seed() -> int:
    """Draw a seed that is the same in all processes."""
    drawn = torch.randint(2**62, ())
    if is_distributed():
        shared = [int(drawn)]
        dist.broadcast_object_list(shared)
        return shared[0]
    return int(drawn)
