"""Loaders for training: shared by all processes, and resumable in mid-epoch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import torch
import torch.distributed as dist
from pytorch_lightning.utilities import rank_zero_warn
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from quaterion_core.train.epoch_batches import (
    BatchPlan,
    EpochBatches,
    LoaderPlan,
    SeededIndices,
    mixed_seed,
    random_state,
    seeded,
    set_random_state,
)
from quaterion_core.train.gather import is_distributed

_KEPT: Final = (
    "num_workers", "pin_memory", "timeout", "multiprocessing_context", "prefetch_factor",
    "persistent_workers", "pin_memory_device", "in_order",
)  # fmt: skip


def epoch_loader(
    loader: DataLoader[Any], plan: BatchPlan | None = None, *, fixed_order: bool = False
) -> EpochLoader | StreamLoader | DataLoader[Any]:
    """Make a loader for training from a plain one, which is not changed.

    Args:
        loader: A loader with dataset, collate function and workers.
        plan: The batches of an epoch; by default those that the loader's own sampler yields.
        fixed_order: Yield the same batches in every epoch.

    Returns:
        The new loader, or the given one if there is nothing to plan: if it has no batches, or an
        infinite sampler.
    """
    if isinstance(loader.dataset, IterableDataset):
        return StreamLoader(loader, fixed_order=fixed_order)
    if loader.batch_sampler is None or (plan is None and not has_length(loader)):
        return loader
    return EpochLoader(loader, plan or LoaderPlan(loader), fixed_order=fixed_order)


class EpochLoader:
    """Loader of the batches of this process, for one epoch after another.

    It is not a :class:`torch.utils.data.DataLoader`, so Lightning neither replaces its sampler nor
    repeats samples to make the shares of the processes equal. All random numbers depend only on a
    seed, which is drawn when the loader is made, the number of the epoch and the number of the
    batch: neither the number of workers nor other consumers of random numbers affect them.

    Every epoch has as many batches as the first.

    Args:
        loader: A loader of a map-style dataset. It is not changed.
        plan: The batches of an epoch over all processes.
        fixed_order: Yield the same batches in every epoch, as for validation.
    """

    def __init__(self, loader: DataLoader[Any], plan: BatchPlan, *, fixed_order: bool = False):
        self.dataset: Any = loader.dataset
        self._batch_size = loader.batch_size
        self._batches = EpochBatches(plan)
        self._loader: DataLoader[Any] = DataLoader(
            _SeededReader(loader.dataset, loader.collate_fn),
            batch_size=None,
            sampler=self._batches,
            collate_fn=_as_it_is,
            worker_init_fn=partial(_show_dataset, loader.worker_init_fn),
            **{name: getattr(loader, name) for name in _KEPT if hasattr(loader, name)},
        )
        self._fixed_order = fixed_order
        self._progress = _Progress(fixed_order)
        self._length: int | None = None
        self._revision = self._current_revision()

    def __len__(self) -> int:
        if self._length is None:
            self._length = self._batches.count(self._progress.seed(), *_place())
        return self._length

    def __iter__(self) -> Iterator[Any]:
        length = len(self)
        self._progress.begin()
        rank, processes = _place()
        seed = self._progress.seed()
        self._batches.start(seed, rank, processes, length, skip=self._progress.position)
        # Created here, since a generator cannot be passed to a spawned process.
        self._loader.generator = torch.Generator().manual_seed(seed)
        if self._revision != self._current_revision():
            self._revision = self._current_revision()
            self._loader._iterator = None  # persistent workers have a copy of the old data
        for batch in self._loader:
            self._progress.position += 1
            yield batch

    def samples_of_batch(self, number: int) -> list[int]:
        """Return the indices of the samples of a batch of the current epoch."""
        return self._batches.samples(number)

    def _current_revision(self) -> object:
        return getattr(self.dataset, "revision", 0)

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch, the position in it, and what its batches depend on."""
        _, processes = _place()
        return {
            **self._progress.state_dict(),
            "is_over": self._progress.position in (0, len(self)),
            "length": len(self),
            "samples": len(self.dataset),
            "batch_size": self._batch_size and self._batch_size * processes,
            "processes": processes,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the position of another loader.

        Raises:
            ValueError: It was saved in mid-epoch with other batches.
        """
        _, processes = _place()
        now = {
            "samples": len(self.dataset),
            "batch_size": self._batch_size and self._batch_size * processes,
        }
        if now["batch_size"] is None:
            now["processes"] = processes
        differences = [
            f"{_NAMES[name]} was {state[name]} and is now {value}"
            for name, value in now.items()
            if state[name] != value
        ]
        if not differences:
            self._length = state["length"]
        elif not state["is_over"]:
            raise ValueError(
                f"The checkpoint was saved after batch {state['position']} of {state['length']} "
                "of an epoch, which cannot be continued with other batches: "
                f"{'; '.join(differences)}. It was saved by {state['processes']} processes, and "
                f"there are {processes}. Resume with the same data, the same number of processes "
                "and the same batch_size (or the same product of both), or from a checkpoint "
                "saved at the end of an epoch."
            )
        else:
            rank_zero_warn(
                "The training run is resumed with other batches than it was saved with: "
                f"{'; '.join(differences)}. Its losses will differ from those of a run that was "
                "never interrupted."
            )
        self._progress.load_state_dict(state)


_NAMES: Final = {
    "samples": "the number of samples",
    "batch_size": "the batch size over all processes",
    "processes": "the number of processes",
}


class StreamLoader:
    """Loader of an iterable dataset, which shards itself over processes, for epoch after epoch.

    In distributed training an epoch ends for all processes when the data of one of them end, since
    all have to take part in each step. A run is resumed in mid-epoch by reading the data up to
    that position again.

    Args:
        loader: A loader over an iterable dataset. It is not changed.
        fixed_order: Draw the same random numbers in every epoch, as for validation.
    """

    def __init__(self, loader: DataLoader[Any], *, fixed_order: bool = False):
        self.dataset: Any = loader.dataset
        self._loader: DataLoader[Any] = DataLoader(
            loader.dataset,
            batch_size=loader.batch_size,
            drop_last=loader.drop_last,
            collate_fn=loader.collate_fn,
            worker_init_fn=loader.worker_init_fn,
            **{name: getattr(loader, name) for name in _KEPT if hasattr(loader, name)},
        )
        self._progress = _Progress(fixed_order)
        self._has_reported = False

    def __len__(self) -> int:
        """Return the number of batches, if it is known.

        Each worker and each process may have a small last batch of its own, so with several of
        them the number of batches does not follow from the length of the dataset.
        """
        if is_distributed() or self._loader.num_workers > 1:
            raise TypeError("The number of batches is not known with several workers or processes.")
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        self._progress.begin()
        rank, _ = _place()
        seed = mixed_seed(self._progress.seed(), rank)
        self._loader.generator = torch.Generator().manual_seed(seed)
        batches = _with_own_randomness(iter(self._loader), seed)
        for batch in itertools.islice(self._in_step(batches), self._progress.position, None):
            self._progress.position += 1
            yield batch

    def _in_step(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Yield batches as long as all processes have one."""
        _, processes = _place()
        for count in itertools.count():
            batch = next(batches, _NOTHING)
            ready = _how_many(batch is not _NOTHING)
            if ready < processes:
                self._report(count, ready)
                return
            yield batch

    def _report(self, count: int, others: int) -> None:
        if not others or self._has_reported:
            return
        self._has_reported = True
        rank_zero_warn(
            f"The data of some processes ended after {count} batches, while those of {others} had "
            "more. The remaining batches are left out of every epoch, since all processes have to "
            "take part in each step. Make the iterable dataset yield the same number of batches "
            "in all processes."
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch and the position in it."""
        return {**self._progress.state_dict(), "processes": _place()[1]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the position of another loader.

        Raises:
            ValueError: The number of processes has changed.
        """
        if state["processes"] != _place()[1]:
            raise ValueError(
                f"Expected {state['processes']} processes, as when the checkpoint was saved, got "
                f"{_place()[1]}, over which an iterable dataset is sharded differently. Resume "
                "with the same number of processes."
            )
        self._progress.load_state_dict(state)


class _Progress:
    """The current epoch, the position in it, and its seed.

    Attributes:
        position: Number of batches of the epoch that have been read.
    """

    def __init__(self, fixed_order: bool):
        self._fixed_order = fixed_order
        self._run_seed = 0 if fixed_order else int(torch.randint(2**62, ()))
        self._is_common = fixed_order
        self._epoch = 0
        self._is_begun = False
        self._is_resumed = False
        self.position = 0

    def seed(self) -> int:
        """Return the seed of the epoch, the same in all processes."""
        if self._fixed_order:
            return 0
        if not self._is_common:
            self._run_seed, self._is_common = _of_first_process(self._run_seed), True
        return mixed_seed(self._run_seed, self._epoch)

    def begin(self) -> None:
        """Begin the next epoch, or continue the one of a restored state."""
        if not self._is_resumed:
            self._epoch += self._is_begun
            self.position = 0
        self._is_begun, self._is_resumed = True, False

    def state_dict(self) -> dict[str, Any]:
        """Return the state in mid-epoch; set ``is_over`` in it to begin with the next epoch."""
        return {
            "seed": self._run_seed,
            "epoch": self._epoch,
            "position": self.position,
            "is_over": not self._is_begun,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._run_seed, self._is_common = state["seed"], True
        self._epoch = state["epoch"]
        self.position = state["position"]
        self._is_begun = self.position > 0
        self._is_resumed = self._is_begun and not state["is_over"]


_NOTHING: Final = object()


class _SeededReader(Dataset[Any]):
    """Dataset of collated batches, each read with the random numbers of its seed.

    Args:
        dataset: The dataset of samples.
        collate: Collates samples into a batch.
    """

    def __init__(self, dataset: Any, collate: Callable[[list[Any]], Any]):
        self.dataset = dataset
        self._collate = collate

    def __getitem__(self, batch: SeededIndices) -> Any:
        with seeded(batch.seed):
            try:
                if hasattr(self.dataset, "__getitems__"):
                    samples = self.dataset.__getitems__(batch.indices)
                else:
                    samples = [self.dataset[index] for index in batch.indices]
                return self._collate(samples)
            except Exception as error:
                _note_sample(error, self.dataset, batch.indices)
                raise


def _note_sample(error: Exception, dataset: Any, indices: list[int]) -> None:
    """Add a note to an error that names the sample of a batch that raises it."""
    if not hasattr(error, "add_note"):  # Python 3.10
        return
    for index in indices:
        try:
            dataset[index]
        except Exception:
            error.add_note(
                f"It was raised by sample {index} of {type(dataset).__name__}. Correct the sample "
                "or leave it out of the dataset."
            )
            return
    named = ", ".join(map(str, indices[:10])) + (", ..." if len(indices) > 10 else "")
    error.add_note(f"It was raised while samples {named} were collated.")


def _show_dataset(worker_init: Callable[[int], None] | None, worker: int) -> None:
    """Set the dataset of the worker info to the user's dataset instead of the reader."""
    info = get_worker_info()
    assert info is not None
    reader: Any = info.dataset
    object.__setattr__(info, "dataset", reader.dataset)
    if worker_init is not None:
        worker_init(worker)


def _with_own_randomness(batches: Iterator[Any], seed: int) -> Iterator[Any]:
    """Read batches with random states separate from those of the main process."""
    with seeded(seed):
        state = random_state()
    while True:
        with seeded(seed):
            set_random_state(state)
            batch = next(batches, _NOTHING)
            state = random_state()
        if batch is _NOTHING:
            return
        yield batch


def _as_it_is(batch: Any) -> Any:
    return batch


def has_length(loader: DataLoader[Any]) -> bool:
    """Whether an epoch is known to be finite; a sampler without a length may be infinite."""
    try:
        len(loader)
    except TypeError:
        return False
    return True


def _place() -> tuple[int, int]:
    """Return the rank of this process and the number of processes."""
    return (dist.get_rank(), dist.get_world_size()) if is_distributed() else (0, 1)


def _of_first_process(value: int) -> int:
    """Return the value of the first process."""
    if not is_distributed():
        return value
    shared = [value]
    dist.broadcast_object_list(shared)
    return shared[0]


def _how_many(is_true: bool) -> int:
    """Return the number of processes in which something is true."""
    if not is_distributed():
        return int(is_true)
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    total = torch.tensor(int(is_true), device=device)
    dist.all_reduce(total)
    return int(total)
