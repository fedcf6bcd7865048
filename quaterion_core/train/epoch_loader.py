"""The loader that a training run reads: shared by all processes, and resumable in mid-epoch."""

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
    """Make a loader for training out of a plain one, which is not changed.

    Args:
        loader: Dataset, collate function and workers.
        plan: The batches of an epoch; by default those that the loader's own sampler gives.
        fixed_order: Give the same batches in every epoch.

    Returns:
        The given loader where there is nothing to plan: without batches, or with a sampler that
        has no end.
    """
    if isinstance(loader.dataset, IterableDataset):
        return StreamLoader(loader, fixed_order=fixed_order)
    if loader.batch_sampler is None or (plan is None and not has_length(loader)):
        return loader
    return EpochLoader(loader, plan or LoaderPlan(loader), fixed_order=fixed_order)


class EpochLoader:
    """Loads the batches of this process, one epoch after another.

    It is no :class:`torch.utils.data.DataLoader`, so that Lightning leaves it as it is, and does
    not repeat samples to make the processes' shares equal. All that is random follows from one
    seed, which is drawn when the loader is made, the number of the epoch and the number of the
    batch: workers, their number, and what else draws random numbers change nothing.

    Every epoch has as many batches as the first.

    Args:
        loader: A loader of a dataset with an index. It is not changed.
        plan: The batches of an epoch over all processes.
        fixed_order: Give the same batches in every epoch, as for validation.
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
        # Made here, since a generator cannot be passed on to a process that is spawned.
        self._loader.generator = torch.Generator().manual_seed(seed)
        if self._revision != self._current_revision():
            self._revision = self._current_revision()
            self._loader._iterator = None  # workers that persist have a copy of the old data
        for batch in self._loader:
            self._progress.position += 1
            yield batch

    def samples_of_batch(self, number: int) -> list[int]:
        """Return the indices of the samples of a batch of the current epoch."""
        return self._batches.samples(number)

    def _current_revision(self) -> object:
        return getattr(self.dataset, "revision", 0)

    def state_dict(self) -> dict[str, Any]:
        """Return where in which epoch this loader is, and what its batches depend on."""
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
        """Continue where another loader was.

        Raises:
            ValueError: That one was in the middle of an epoch with other batches.
        """
        _, processes = _place()
        now = {
            "samples": len(self.dataset),
            "batch_size": self._batch_size and self._batch_size * processes,
        }
        if now["batch_size"] is None:
            now["processes"] = processes
        differences = [
            f"{_NAMES[name]} was {state[name]} and is {value}"
            for name, value in now.items()
            if state[name] != value
        ]
        if not differences:
            self._length = state["length"]
        elif not state["is_over"]:
            raise ValueError(
                f"The checkpoint was saved after batch {state['position']} of the "
                f"{state['length']} of an epoch, which cannot be continued with other batches: "
                f"{'; '.join(differences)}. It was saved by {state['processes']} processes, and "
                f"there are {processes}. Resume with the same data, the same number of processes "
                "and the same batch_size (or the same product of both), or from a checkpoint of "
                "the end of an epoch."
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
    """Loads iterable data, which divide themselves over processes, one epoch after another.

    In several processes an epoch ends for all of them when the data of one end, since all have to
    take part in each step. In mid-epoch it resumes by reading again what was read before.

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
        """Return the number of batches, if it is known for certain.

        Several workers, or processes, each have a last batch of their own that may be small, so
        that the length of the dataset does not tell the number of batches.
        """
        if is_distributed() or self._loader.num_workers > 1:
            raise TypeError("The number of batches of several workers or processes is not known.")
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
        """Give batches as long as all processes have one."""
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
            "more, which every epoch leaves out: all processes have to take part in each step. Let "
            "the iterable dataset give all processes equally many batches."
        )

    def state_dict(self) -> dict[str, Any]:
        """Return how much of which epoch was read."""
        return {**self._progress.state_dict(), "processes": _place()[1]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where another loader was.

        Raises:
            ValueError: There was another number of processes.
        """
        if state["processes"] != _place()[1]:
            raise ValueError(
                f"The checkpoint was saved by {state['processes']} processes, and there are "
                f"{_place()[1]}, among which iterable data divide themselves in another way. "
                "Resume with the same number of processes."
            )
        self._progress.load_state_dict(state)


class _Progress:
    """Which epoch is read, how far, and with which seed.

    Attributes:
        position: Number of batches of the epoch that were read.
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
        """Begin the next epoch, or continue the one that a state was in."""
        if not self._is_resumed:
            self._epoch += self._is_begun
            self.position = 0
        self._is_begun, self._is_resumed = True, False

    def state_dict(self) -> dict[str, Any]:
        """Return the state in mid-epoch; ``is_over`` may be set to begin with the next one."""
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
    """Reads and collates a batch with the random numbers of its seed.

    Args:
        dataset: The dataset.
        collate: Makes a batch of samples.
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
                _tell_sample(error, self.dataset, batch.indices)
                raise


def _tell_sample(error: Exception, dataset: Any, indices: list[int]) -> None:
    """Note on an error which sample of a batch raises it."""
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
    """Let a worker's code find the user's dataset, and not the reader, in its worker info."""
    info = get_worker_info()
    assert info is not None
    reader: Any = info.dataset
    object.__setattr__(info, "dataset", reader.dataset)
    if worker_init is not None:
        worker_init(worker)


def _with_own_randomness(batches: Iterator[Any], seed: int) -> Iterator[Any]:
    """Read batches with random numbers of their own, which others do not disturb."""
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
    """Tell whether an epoch has an end; a sampler without a length may have none."""
    try:
        len(loader)
    except TypeError:
        return False
    return True


def _place() -> tuple[int, int]:
    """Return the number of this process and the number of processes."""
    return (dist.get_rank(), dist.get_world_size()) if is_distributed() else (0, 1)


def _of_first_process(value: int) -> int:
    """Return the value that the first process has."""
    if not is_distributed():
        return value
    shared = [value]
    dist.broadcast_object_list(shared)
    return shared[0]


def _how_many(is_true: bool) -> int:
    """Return in how many processes something is true."""
    if not is_distributed():
        return int(is_true)
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    total = torch.tensor(int(is_true), device=device)
    dist.all_reduce(total)
    return int(total)
