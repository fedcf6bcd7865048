"""The model in training: encoders, head, loss and metrics as a Lightning module."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from quaterion_core.dataset.similarity_samples import SimilarityGroupSample, SimilarityPairSample
from quaterion_core.dataset.train_collator import Features, collate_features
from quaterion_core.encoders.encoder import Encoder, train_collate_functions
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.heads.encoder_head import EncoderHead
from quaterion_core.loss.similarity_loss import SimilarityLoss
from quaterion_core.model import SimilarityModel
from quaterion_core.train import advertisements as _advertisements  # noqa: F401 filters
from quaterion_core.train import checkpoint_types as _checkpoint_types  # noqa: F401 registers
from quaterion_core.train.cache import CacheConfig, CacheType
from quaterion_core.train.errors import NotFiniteError
from quaterion_core.train.gather import gather_batch
from quaterion_core.train.grad_cache import embed_in_chunks
from quaterion_core.train.samples import batch_samples, describe_batch
from quaterion_core.train.xbm import XbmBuffer, XbmConfig, XbmPairBuffer
from quaterion_core.types import Targets
from quaterion_core.utils.accepted import accepted
from quaterion_core.utils.enums import TrainStage
from quaterion_core.utils.given import expected

_SERVING: Final = frozenset({"encode", "encoders", "head", "save", "reduce_hubness"})
"""Attributes that a model for serving has and a trainable model lacks."""


_SAMPLES: Final = (SimilarityPairSample, SimilarityGroupSample, str)
_EVALUATE: Final = "Quaterion.evaluate(evaluator, data, model.model)"
_LOOPS: Final = {
    TrainerFn.FITTING: ("train_dataloaders", "fit_loop", "Quaterion.fit(model, trainer, data)"),
    TrainerFn.VALIDATING: ("dataloaders", "validate_loop", _EVALUATE),
    TrainerFn.TESTING: ("dataloaders", "test_loop", _EVALUATE),
    TrainerFn.PREDICTING: ("dataloaders", "predict_loop", "model.model.encode(objects)"),
}
"""Argument of each method of the trainer, its loop, and what to call instead."""


def _has_raw_samples(loader: object) -> bool:
    """Return whether a loader of PyTorch would collate samples as if they were numbers."""
    if not isinstance(loader, DataLoader) or loader.collate_fn is not default_collate:
        return False
    dataset: Any = loader.dataset
    return bool(hasattr(dataset, "__len__") and len(dataset)) and isinstance(dataset[0], _SAMPLES)


class TrainableModel(pl.LightningModule, ABC):
    """Encoders, head and loss in training; a subclass configures them.

    The constructor calls the ``configure_*`` methods, so attributes that they use must be set
    before ``super().__init__()``. :meth:`Quaterion.build <quaterion_core.Quaterion.build>` builds
    a model from registered names, without a subclass.

    In distributed training, each step gathers the embeddings and targets of all processes, so two
    processes with half a batch each get the same loss and gradient as one with the whole batch.

    The logged values are ``train_loss``, ``validation_loss``, and every attached metric as
    ``<name>_<stage>``: over the whole dataset in validation; in training, over the batches that
    the trainer logs (every 50th by default, and the last one), or over each batch for a metric
    that is attached with ``on_epoch=True`` or ``prog_bar=True``.

    Example:
        >>> from quaterion_core.heads import GatedHead
        >>> from quaterion_core.loss import TripletLoss
        >>> class Lengths(Encoder):
        ...     trainable, embedding_size = False, 1
        ...     def get_collate_fn(self):
        ...         return lambda texts: torch.tensor([[float(len(text))] for text in texts])
        ...     def forward(self, batch): return batch
        >>> class Model(TrainableModel):
        ...     def __init__(self, margin):
        ...         self._margin = margin
        ...         super().__init__()
        ...     def configure_encoders(self): return Lengths()
        ...     def configure_head(self, input_embedding_size):
        ...         return GatedHead(input_embedding_size)
        ...     def configure_loss(self): return TripletLoss(margin=self._margin)
        >>> Model(margin=0.3).model.embedding_size
        1
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        encoders = self.configure_encoders()
        head = self.configure_head(SimilarityModel.get_encoders_output_size(encoders))
        self._model = SimilarityModel(encoders, head)
        self._has_warned_of_cache = False
        self._has_warned_of_collapse = False
        self._loss = self.configure_loss()
        if not isinstance(self._loss, SimilarityLoss):
            raise TypeError(
                f"configure_loss() returned a {type(self._loss).__name__}, which does not derive "
                "from quaterion_core.loss.SimilarityLoss. Derive it from GroupLoss or "
                "PairwiseLoss, or wrap a pytorch-metric-learning loss in "
                "PytorchMetricLearningWrapper."
            )
        self._xbm_config = self.configure_xbm()
        if self._xbm_config is not None:
            if not isinstance(self._xbm_config, XbmConfig):
                raise expected("xbm", "an XbmConfig or None", self._xbm_config, "Pass XbmConfig().")
            buffer = XbmBuffer if self._loss.sample_kind == "groups" else XbmPairBuffer
            self._xbm_buffer = buffer(self._xbm_config, head.output_size)
        metrics = self.configure_metrics()
        self._metrics = [metrics] if isinstance(metrics, AttachedMetric) else list(metrics)
        for metric in self._metrics:
            if not isinstance(metric, AttachedMetric):
                advice = 'Return AttachedMetric("name", metric).'
                raise expected("a result of configure_metrics()", "attached", metric, advice)

    def __getattr__(self, name: str) -> Any:
        if name in _SERVING:
            raise AttributeError(
                f"The trainable model {type(self).__name__} has no attribute {name!r}, but the "
                f"model in it has: write trainable_model.model.{name}."
            )
        return super().__getattr__(name)

    @property
    def model(self) -> SimilarityModel:
        """The model that is trained, and served afterwards."""
        return self._model

    @property
    def loss(self) -> SimilarityLoss:
        """The loss, including its parameters, if it has any."""
        return self._loss

    @property
    def configured_xbm(self) -> XbmConfig | None:
        """The result of :meth:`configure_xbm`."""
        return self._xbm_config

    @property
    def metrics(self) -> list[AttachedMetric]:
        """The attached metrics."""
        return self._metrics

    @property
    def attached_metrics(self) -> list[AttachedMetric]:
        """Alias of :attr:`metrics`, as in Quaterion 0.1."""
        return self._metrics

    @abstractmethod
    def configure_encoders(self) -> Encoder | Mapping[str, Encoder]:
        """Return one encoder, or several by key."""

    @abstractmethod
    def configure_head(self, input_embedding_size: int) -> EncoderHead:
        """Return the head.

        Args:
            input_embedding_size: Sum of the encoders' embedding sizes.
        """

    @abstractmethod
    def configure_loss(self) -> SimilarityLoss:
        """Return the loss: a group loss or a pairwise loss, depending on the data loaders."""

    def configure_metrics(self) -> AttachedMetric | list[AttachedMetric]:
        """Return the metrics to log in training and validation; none by default."""
        return []

    def configure_caches(self) -> CacheConfig | None:
        """Return how to cache the embeddings of frozen encoders; not at all by default.

        With a cache every distinct object passes through a frozen encoder once, before training
        starts. Random augmentations of the collate function are then fixed, too; set ``views`` to
        keep several of them.
        """
        return None

    @cached_property
    def cache_config(self) -> CacheConfig | None:
        """The result of :meth:`configure_caches`, which is called once, on first access."""
        config = self.configure_caches()
        if config is not None and not isinstance(config, CacheConfig):
            raise expected("cache", "a CacheConfig or None", config, "Pass CacheConfig().")
        return config

    def cached_encoders(self) -> list[str]:
        """Return the keys of the encoders to cache, sorted."""
        config = self.cache_config
        if config is None:
            return []
        return sorted(
            key
            for key, encoder in self.model.encoders.items()
            if not encoder.trainable and config.type_for(key) != CacheType.NONE
        )

    def configure_xbm(self) -> XbmConfig | None:
        """Return the settings of a cross-batch memory; none by default."""
        return None

    def configure_optimizers(self) -> Any:
        """Return the optimizer: by default Adam with ``lr=1e-3`` over all trainable parameters.

        These include the parameters of the loss. A subclass may return whatever Lightning accepts.
        Parameters of the loss that no optimizer holds are added to the first one when the
        training run starts, so ``torch.optim.Adam(self.model.parameters())`` is enough.
        """
        return torch.optim.Adam(self.trainable_parameters(), lr=1e-3)

    def trainable_parameters(self) -> list[torch.nn.Parameter]:
        """Return the parameters of encoders, head and loss that require grad.

        Raises:
            ValueError: There are none.
        """
        trainable = [parameter for parameter in self.parameters() if parameter.requires_grad]
        if not trainable:
            raise ValueError(
                "There is nothing to train: all encoders are frozen, and neither the head "
                f"({type(self.model.head).__name__}) nor the loss ({type(self.loss).__name__}) has "
                "parameters. Choose a head with parameters, such as skip-connection, or make an "
                "encoder trainable."
            )
        return trainable

    def process_results(
        self,
        embeddings: Tensor,
        targets: Targets,
        batch_idx: int,
        stage: TrainStage,
        **kwargs: Any,
    ) -> None:
        """Process the results of a step; by default, update the attached metrics.

        Args:
            embeddings: Embeddings (N, D) of the batch.
            targets: Targets of the batch.
            batch_idx: Number of the batch in its epoch.
            stage: Training, validation or test.
            **kwargs: Further arguments from Lightning.
        """
        for attached in self.metrics:
            if stage == TrainStage.TRAIN:
                if not self._is_logged(attached, batch_idx):
                    continue
                metric = attached.metric
                collected = metric.accumulator_type()
                collected.update(embeddings.detach(), **accepted(metric.update, targets))
                self.log(
                    f"{attached.name}_{stage.value}",
                    metric.value_over_samples(collected.state),
                    batch_size=len(embeddings),
                    **attached.log_options,
                )
            else:
                update = attached.metric.update
                update(embeddings.detach(), **accepted(update, targets))

    def _is_logged(self, attached: AttachedMetric, batch_idx: int) -> bool:
        """Whether a metric of a training batch is logged: at the log interval and at the end."""
        if attached.log_options["on_epoch"] or attached.log_options["prog_bar"]:
            return True
        interval = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        is_due = interval > 0 and (batch_idx + 1) % interval == 0
        return is_due or bool(self.trainer.is_last_batch)

    def configure_callbacks(self) -> list[pl.Callback]:
        """Return the callbacks that log metrics of whole datasets and optimize the loss.

        :meth:`Quaterion.fit <quaterion_core.Quaterion.fit>` adds these while it runs; a trainer
        that is called directly gets them here. A subclass that overrides this method should add
        its own to ``super().configure_callbacks()``.
        """
        from quaterion_core.train.callbacks import LossParametersCallback, MetricsCallback

        self._check_data_of_trainer()
        present: list[pl.Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        return [
            kind()
            for kind in (MetricsCallback, LossParametersCallback)
            if not any(isinstance(callback, kind) for callback in present)
        ]

    def _check_data_of_trainer(self) -> None:
        """Check what methods of the trainer are given, which take a list of samples for loaders.

        Raises:
            TypeError: There are no training data, or samples instead of a loader.
        """
        stage = self.trainer.state.fn
        if stage not in _LOOPS:
            return
        name, loop, method = _LOOPS[stage]
        source = getattr(getattr(self.trainer, loop, None), "_data_source", None)
        given = getattr(source, "instance", None)
        has_own = type(self).train_dataloader is not pl.LightningModule.train_dataloader
        if given is self and stage == TrainerFn.FITTING and not has_own:
            raise TypeError(
                "Expected training data, got none. Pass them: Quaterion.fit(model, trainer, data), "
                "or trainer.fit(model, loader)."
            )
        first = given[0] if isinstance(given, (list, tuple)) and given else given
        if isinstance(first, _SAMPLES) or _has_raw_samples(first):
            advice = (
                "Pass PairsSimilarityDataLoader(data) or GroupSimilarityDataLoader(data), or call "
                f"{method}."
            )
            kind = "a PairsSimilarityDataLoader or a GroupSimilarityDataLoader"
            wanted = kind if isinstance(first, DataLoader) else "a data loader"
            raise expected(name, wanted, given, advice)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state of the data to a checkpoint that is saved after a training run has ended.

        During a run, a callback of the trainer does.
        """
        from quaterion_core.train.callbacks.resume_callback import last_run

        callback = last_run(self.trainer)
        if callback is not None:
            callback.on_save_checkpoint(self.trainer, self, checkpoint)

    def setup_dataloader(self, dataloader: Any) -> None:
        """Do nothing: loaders need no setup.

        Scripts for Quaterion 0.1 call this before they call ``Trainer.fit`` themselves.
        """

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Collate the raw objects of a loader that a trainer reads directly.

        :meth:`Quaterion.fit <quaterion_core.Quaterion.fit>` collates in the loader's workers
        instead, and reads what is cached.
        """
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise TypeError(
                "Expected batches of a PairsSimilarityDataLoader or a GroupSimilarityDataLoader "
                f"from quaterion_core.dataset, got a {type(batch).__name__}."
            )
        objects, targets = batch
        if isinstance(objects, dict):
            return batch
        if not self.trainer.training:
            return self.model.get_collate_fn()(list(objects)), targets
        encoders = self.model.encoders
        if self.cached_encoders() and not self._has_warned_of_cache:
            self._has_warned_of_cache = True
            warnings.warn(
                f"The encoder {self.cached_encoders()[0]!r} is not cached: Trainer.fit() runs it "
                "at every step. Train with Quaterion.fit(model, trainer, loader).",
                stacklevel=2,
            )
        features = collate_features(
            list(objects), train_collate_functions(encoders), self.model.get_meta_extractors()
        )
        return features, targets

    def predict_step(
        self, batch: tuple[Features, Targets], batch_idx: int, **kwargs: Any
    ) -> Tensor:
        """Return the embeddings (N, D) of the objects of a batch."""
        embeddings: Tensor = self.model(batch[0])
        return embeddings

    def training_step(
        self, batch: tuple[Features, Targets], batch_idx: int, **kwargs: Any
    ) -> Tensor:
        """Compute and log the loss of a training batch."""
        return self._common_step(batch, batch_idx, TrainStage.TRAIN, **kwargs)

    def validation_step(
        self, batch: tuple[Features, Targets], batch_idx: int, **kwargs: Any
    ) -> Tensor | None:
        """Compute and log the loss of a validation batch."""
        return self._common_step(batch, batch_idx, TrainStage.VALIDATION, **kwargs)

    def test_step(
        self, batch: tuple[Features, Targets], batch_idx: int, **kwargs: Any
    ) -> Tensor | None:
        """Compute and log the loss of a test batch."""
        return self._common_step(batch, batch_idx, TrainStage.TEST, **kwargs)

    def _common_step(
        self,
        batch: tuple[Features, Targets],
        batch_idx: int,
        stage: TrainStage,
        **kwargs: Any,
    ) -> Tensor:
        features, targets = batch
        if "chunks" in features:
            embeddings = embed_in_chunks(self.model, features["chunks"])
        else:
            embeddings = self.model(features)
        # A sum is not finite if any of its terms is not, and it is cheaper to check.
        if self._is_time_to_check(batch_idx, embeddings) and not torch.isfinite(embeddings.sum()):
            self._explain_not_finite(features)
        own = embeddings, targets
        embeddings, targets = gather_batch(embeddings, targets)
        loss = self.loss.batch_loss(embeddings, targets)
        if self._is_time_to_check(batch_idx, embeddings) and not torch.isfinite(loss):
            self._explain_loss(loss, own[1], batch_idx)
        if stage == TrainStage.TRAIN and (batch_idx == 0 or self.trainer.is_last_batch):
            self._warn_of_collapse(embeddings)
        if self._xbm_config is not None and stage == TrainStage.TRAIN:
            loss = loss + self._memory_loss(embeddings, targets, self._xbm_config)
        share = 1.0 if stage == TrainStage.TRAIN else self.loss.share_that_counts(targets)
        if share:
            self.log(
                f"{stage.value}_loss",
                loss,
                batch_size=round(share * len(embeddings)),
                prog_bar=True,
                on_step=stage == TrainStage.TRAIN,
                on_epoch=True,
                sync_dist=stage != TrainStage.TRAIN,
            )
        # Metrics over a whole dataset gather their states from all processes themselves.
        seen, stated = (embeddings, targets) if stage == TrainStage.TRAIN else own
        self.process_results(
            embeddings=seen, targets=stated, batch_idx=batch_idx, stage=stage, **kwargs
        )
        return loss

    def _memory_loss(self, embeddings: Tensor, targets: Targets, config: XbmConfig) -> Tensor:
        """Return the loss of a batch against the memory, then store the batch in it."""
        loss = SimilarityLoss.nothing_to_learn(embeddings)
        if self.global_step >= config.start_iteration:
            memory, memory_targets = self._xbm_buffer.recall(embeddings)
            if len(memory):
                loss = config.weight * self.loss.memory_loss(
                    embeddings, targets, memory, memory_targets
                )
        self._xbm_buffer.remember(embeddings, targets)
        return loss

    def _is_time_to_check(self, batch_idx: int, embeddings: Tensor) -> bool:
        """Whether to check a batch: always if that is free, at intervals if it synchronizes."""
        return embeddings.device.type == "cpu" or batch_idx % 50 == 0

    def _explain_loss(self, loss: Tensor, targets: Targets, batch_idx: int) -> None:
        where = describe_batch(self.trainer, batch_idx)
        samples = batch_samples(self.trainer, batch_idx)
        for name, values in targets.items():
            if values.is_floating_point() and not torch.isfinite(values).all():
                finite = torch.isfinite(values).reshape(len(values), -1).all(dim=1)
                row = int((~finite).nonzero()[0])
                known = name == "labels" and row < len(samples)
                raise NotFiniteError(
                    f"The target {name!r} of {f'sample {samples[row]}' if known else f'row {row}'} "
                    f"is NaN or infinite, {where}. Correct the data."
                )
        raise NotFiniteError(
            f"The loss ({type(self.loss).__name__}) is {loss.item()} {where}, though embeddings "
            f"and targets are finite. The model keeps the weights of step {self.global_step}. "
            "Lower the learning rate, or check the arguments of the loss."
        )

    def _warn_of_collapse(self, embeddings: Tensor) -> None:
        """Warn once if all embeddings of a batch are the same."""
        if self._has_warned_of_collapse or len(embeddings) < 4:
            return
        embeddings = embeddings.detach()
        if _are_same(embeddings[:16]) and _are_same(embeddings):
            self._has_warned_of_collapse = True
            rank_zero_warn(
                f"The model has collapsed: in epoch {self.current_epoch} all {len(embeddings)} "
                "embeddings of a batch are the same, whatever the object. Lower the learning rate, "
                "use a loss with negatives or a smaller margin, or check that the encoder's inputs "
                "differ between objects."
            )

    def _explain_not_finite(self, features: Features) -> None:
        for chunk in features.get("chunks", [features]):
            self.model.check_finite(chunk)
        raise NotFiniteError(
            f"The embeddings became NaN or infinite in epoch {self.current_epoch}, though the "
            "encoders' outputs are finite. Training diverged: lower the learning rate, or "
            "clip gradients with Trainer(gradient_clip_val=1.0)."
        )

    def save_servable(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Save the model for serving, at any time, also during training.

        Args:
            path: A new or empty folder.
            overwrite: Replace a model that is saved there.

        Raises:
            OutputExistsError: ``path`` exists and is not an empty folder; it is left unchanged.
        """
        self.model.save(path, overwrite=overwrite)


def _are_same(embeddings: Tensor) -> bool:
    """Whether embeddings (N, D) differ by no more than rounding."""
    spread = (embeddings - embeddings[0]).abs().amax()
    return bool(spread <= 1e-5 * embeddings.abs().amax())
