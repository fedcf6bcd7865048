"""A training run: a model, its data, and a trainer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch.utils.data import DataLoader

from quaterion_core.dataset.batch_samplers import build_batch_sampler
from quaterion_core.dataset.chunking import Chunking
from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader
from quaterion_core.dataset.train_collator import TrainCollator
from quaterion_core.encoders.encoder import (
    collate_functions,
    length_functions,
    train_collate_functions,
)
from quaterion_core.eval.monitored import monitored
from quaterion_core.plugins.lifecycle import Lifecycle
from quaterion_core.train.cache.table_encoder import TableEncoder
from quaterion_core.train.cache.training_cache import TrainingCache
from quaterion_core.train.callbacks import (
    LossParametersCallback,
    MetricsCallback,
    ResumeCallback,
)
from quaterion_core.train.callbacks.best_epoch import BestEpoch
from quaterion_core.train.callbacks.guard_callback import GuardCallback
from quaterion_core.train.callbacks.interruption_callback import InterruptionCallback
from quaterion_core.train.callbacks.release_callback import ReleaseCallback
from quaterion_core.train.callbacks.resume_callback import remember_run
from quaterion_core.train.checkpoint_io import write_whole_checkpoints
from quaterion_core.train.epoch_batches import BatchPlan, SamplerPlan, ordered_plan
from quaterion_core.train.epoch_loader import EpochLoader, StreamLoader, epoch_loader
from quaterion_core.train.interruption import interruptible
from quaterion_core.train.monitoring import check_keep_best, check_monitors, default_monitor
from quaterion_core.train.preflight import (
    check_chunk,
    check_loader,
    check_loss_fits,
    check_shares,
    warn_of_hard_negatives,
)
from quaterion_core.train.reuse import check_trainer, reset_callbacks
from quaterion_core.train.run_arguments import (
    check_checkpoint,
    check_metrics_fit,
    check_model_and_trainer,
    check_weights,
)
from quaterion_core.train.teachable import check_teachable
from quaterion_core.train.trainable_model import TrainableModel
from quaterion_core.train.trainer import trainer_defaults, without_switched_off


class Training:
    """A training run, checked when it is made, then prepared, then called.

    :meth:`Quaterion.prepare <quaterion_core.Quaterion.prepare>` describes the arguments.

    Attributes:
        model: The model.
        trainer: The trainer.
        train_loader: Training batches of this process; set by :meth:`prepared`.
        validation_loader: Validation batches of this process, if there are any.
    """

    def __init__(
        self,
        trainable_model: TrainableModel,
        trainer: pl.Trainer | None,
        train_dataloader: SimilarityDataLoader[Any],
        val_dataloader: SimilarityDataLoader[Any] | None = None,
        ckpt_path: str | None = None,
        *,
        lifecycle: Lifecycle,
        batch_sampler: Any = None,
        grad_cache_chunk: int | None = None,
        evaluated: Sequence[SimilarityDataLoader[Any]] = (),
        keep_best: str | None = None,
    ):
        check_model_and_trainer(trainable_model, trainer)
        check_checkpoint(ckpt_path)
        check_weights(trainable_model)
        check_loader(train_dataloader, "train_dataloader")
        check_loss_fits(trainable_model.loss, train_dataloader, "train_dataloader")
        if val_dataloader is not None:
            check_loader(val_dataloader, "val_dataloader")
            check_loss_fits(trainable_model.loss, val_dataloader, "val_dataloader")
        check_metrics_fit(trainable_model, train_dataloader, "train_dataloader")
        for number, loader in enumerate(evaluated):
            check_loader(loader, f"evaluated[{number}]")
        check_chunk(grad_cache_chunk)
        if trainer is None:
            monitor, mode = default_monitor(trainable_model, train_dataloader, val_dataloader)
            keep_best = keep_best or monitor
            defaults = trainer_defaults(
                trainable_model, train_dataloader, monitor=monitor, mode=mode
            )
            arguments = lifecycle.trainer_arguments(defaults)
            trainer = pl.Trainer(**without_switched_off(arguments))
        if keep_best is not None:
            check_keep_best(keep_best, trainable_model, has_validation=val_dataloader is not None)
        check_monitors(trainer, trainable_model, train_dataloader, val_dataloader)
        if ckpt_path is None:
            check_trainer(trainer, trainable_model)
            reset_callbacks(trainer)
        self._check_that_it_can_learn(trainable_model, train_dataloader, trainer)
        warn_of_hard_negatives(trainable_model.loss, train_dataloader, batch_sampler)
        _warn_of_what_is_not_used(trainable_model, has_validation=val_dataloader is not None)
        check_shares(train_dataloader, "train_dataloader", trainer.world_size)
        if val_dataloader is not None:
            check_shares(val_dataloader, "val_dataloader", trainer.world_size)
        self.model = trainable_model
        self.trainer = trainer
        self.train_loader: EpochLoader | StreamLoader | DataLoader[Any] | None = None
        self.validation_loader: EpochLoader | StreamLoader | DataLoader[Any] | None = None
        self._train_data = train_dataloader
        self._validation_data = val_dataloader
        self._evaluated = evaluated
        self._best = None
        if keep_best is not None:
            self._best = BestEpoch(*monitored(keep_best, trainable_model.metrics))
        self._ckpt_path = ckpt_path
        self._lifecycle = lifecycle
        self._plan = _plan(batch_sampler, train_dataloader, trainer)
        self._chunking = None
        if grad_cache_chunk is not None:
            trained = {k: e for k, e in trainable_model.model.encoders.items() if e.trainable}
            self._chunking = Chunking(grad_cache_chunk, length_functions(trained))
        self._tables: dict[str, TableEncoder] = {}

    @staticmethod
    def _check_that_it_can_learn(
        model: TrainableModel, loader: SimilarityDataLoader[Any], trainer: pl.Trainer
    ) -> None:
        """Raise an error if no weight would ever change."""
        if not any(parameter.requires_grad for parameter in model.parameters()):
            model.trainable_parameters()  # raises an error if there are none
        size = None
        if loader.batch_size is not None and model.configured_xbm is None:
            size = loader.batch_size * trainer.world_size
        check_teachable(model.loss, model.model.embedding_size, loader, size)

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """Fill the cache, if there is one, and use it within the ``with`` block."""
        self._lifecycle.before_fit(self.trainer, self.model)
        config = self.model.cache_config
        if config is None:
            self._read_objects()
            yield
            return
        cache = TrainingCache(
            self.model.model,
            config,
            self._train_data,
            self._validation_data,
            self._evaluated,
            device=self.trainer.strategy.root_device,
            processes=self.trainer.world_size,
            chunking=self._chunking,
        )
        try:
            if cache.keys:
                with torch.random.fork_rng(devices=[]):  # same state as without cache
                    loaders, self._tables = cache.fill()
                self._set_loaders(*loaders)
            else:
                self._read_objects()
            with self.model.model.substituting(self._tables):
                yield
        finally:
            cache.close()

    def __call__(self) -> None:
        """Train, once.

        Raises:
            TrainingError: The run cannot continue, such as after a gradient that is not finite.
            TrainingInterrupted: It was stopped by Ctrl-C.
            TrainingTerminated: It was stopped by SIGTERM; the exit code is 143.
        """
        resume = ResumeCallback(self.train_loader)
        own = self.trainer.callbacks  # type: ignore[attr-defined]
        given = [callback for callback in own if isinstance(callback, InterruptionCallback)]
        has_metrics = any(isinstance(callback, MetricsCallback) for callback in own)
        callbacks: list[pl.Callback] = [] if has_metrics else [MetricsCallback()]
        callbacks += [
            LossParametersCallback(),
            resume,
            ReleaseCallback(self._tables.values()),
            GuardCallback(),
        ]
        if self._best is not None:
            callbacks.append(self._best)
        interruption = given[0] if given else InterruptionCallback()
        last: list[pl.Callback] = [] if given else [interruption]
        write_whole_checkpoints(self.trainer)
        with (
            _added(self.trainer, callbacks, last),
            interruptible(self.trainer, interruption),
            warnings.catch_warnings(),
        ):
            # Frozen encoders are in evaluation mode on purpose.
            warnings.filterwarnings("ignore", message=r".*module\(s\) in eval mode")
            self.trainer.fit(
                self.model, self.train_loader, self.validation_loader, ckpt_path=self._ckpt_path
            )
        remember_run(self.trainer, resume)
        model = self.model.model
        with model.substituting({key: model.encoders[key] for key in self._tables}):
            self._lifecycle.after_fit(self.trainer, self.model)

    def _read_objects(self) -> None:
        """Make loaders that collate raw objects for the encoders."""
        encoders = self.model.model.encoders
        collator = partial(
            TrainCollator,
            meta_extractors=self.model.model.get_meta_extractors(),
            chunking=self._chunking,
        )
        train = partial(collator, encoder_collates=train_collate_functions(encoders))
        validation = partial(collator, encoder_collates=collate_functions(encoders))
        self._set_loaders(
            self._train_data.with_collate(train),
            None
            if self._validation_data is None
            else self._validation_data.with_collate(validation),
        )

    def _set_loaders(self, train: DataLoader[Any], validation: DataLoader[Any] | None) -> None:
        """Set the loaders, with the batches of each epoch planned."""
        plan = self._plan
        if self.trainer.overfit_batches > 0:  # type: ignore[attr-defined]
            plan = SameBatches(plan or ordered_plan(train))
        self.train_loader = epoch_loader(train, plan)
        if validation is not None:
            self.validation_loader = epoch_loader(validation, fixed_order=True)


class SameBatches:
    """A plan that repeats the batches of the first epoch.

    Args:
        plan: The plan.
    """

    def __init__(self, plan: BatchPlan):
        self._plan = plan

    def __call__(self, seed: int, processes: int) -> list[list[int]]:
        """Return the indices of the samples of each batch, whatever the seed."""
        return self._plan(0, processes)


def _plan(
    batch_sampler: Any, loader: SimilarityDataLoader[Any], trainer: pl.Trainer
) -> BatchPlan | None:
    """Return the plan of a batch sampler, if there is one."""
    if batch_sampler is None:
        return None
    return SamplerPlan(build_batch_sampler(batch_sampler), loader, trainer.world_size)


def _warn_of_what_is_not_used(model: TrainableModel, *, has_validation: bool) -> None:
    """Warn of a cache without frozen encoders, and of metrics without validation data."""
    if model.cache_config is not None and not model.cached_encoders():
        rank_zero_warn(
            "The cache is not used, since it stores embeddings of frozen encoders and no encoder "
            "to be cached is frozen. Freeze an encoder, or leave the cache out."
        )
    if model.metrics and not has_validation:
        names = ", ".join(attached.name for attached in model.metrics)
        rank_zero_warn(
            f"There are no validation data: {names} will be logged for training batches only. Pass "
            "a val_dataloader to compute them on held-out data."
        )


@contextmanager
def _added(
    trainer: pl.Trainer, first: list[pl.Callback], last: list[pl.Callback]
) -> Iterator[None]:
    """Add callbacks to a trainer, before and after its own, within a ``with`` block."""
    present = list(trainer.callbacks)  # type: ignore[attr-defined]
    trainer.callbacks = [*first, *present, *last]  # type: ignore[attr-defined]
    try:
        yield
    finally:
        trainer.callbacks = present  # type: ignore[attr-defined]
