"""The entry point of training: build, fit and evaluate similarity models."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelSummary
from torch import Tensor

from quaterion_core.dataset.batch_samplers import build_batch_sampler
from quaterion_core.dataset.chunking import Chunking
from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader
from quaterion_core.dataset.train_collator import TrainCollator
from quaterion_core.encoders.encoder import length_functions
from quaterion_core.eval.evaluator import Evaluator
from quaterion_core.model import SimilarityModel
from quaterion_core.plugins import activate
from quaterion_core.train.assembly import assemble
from quaterion_core.train.cache import CacheConfig, CacheType
from quaterion_core.train.cache.training_cache import TrainingCache
from quaterion_core.train.callbacks import (
    LossParametersCallback,
    MetricsCallback,
    RandomStateCallback,
)
from quaterion_core.train.epoch_batches import BatchPlan, SamplerPlan, ordered_plan
from quaterion_core.train.epoch_loader import epoch_loader
from quaterion_core.train.preflight import (
    check_chunk,
    check_early_stopping,
    check_loader,
    check_loss_fits,
)
from quaterion_core.train.trainable_model import TrainableModel
from quaterion_core.train.xbm import XbmConfig
from quaterion_core.utils.progress_bar import QuaterionProgressBar


class Quaterion:
    """Build, fit and evaluate similarity models."""

    @staticmethod
    def build(
        *,
        encoder: Any = None,
        encoders: Mapping[str, Any] | None = None,
        head: Any = "identity",
        loss: Any,
        metrics: Sequence[Any] | Mapping[str, Any] = (),
        optimizer: Any = "adam",
        schedule: Any = None,
        cache: CacheConfig | None = None,
        xbm: XbmConfig | None = None,
        data: Iterable[Any] | None = None,
    ) -> TrainableModel:
        """Make a trainable model from registered names and arguments, without a subclass.

        Each part is a name (``"triplet"``, or in full ``"quaterion-core/triplet"``), a mapping of
        a name and arguments (``{"name": "triplet", "margin": 0.3}``), or an object that is built
        already. ``quaterion plugins`` lists what is there.

        Args:
            encoder: The encoder, or
            encoders: several by key, whose outputs are concatenated.
            head: The head; by default none. Its ``input_embedding_size`` is filled in.
            loss: The loss. Its ``embedding_size`` and ``num_groups`` are filled in.
            metrics: Metrics to log in training and validation, as a list, or by the names to log
                them under.
            optimizer: ``adam``, ``adamw``, ``adagrad``, ``rmsprop`` or ``sgd``, with PyTorch's
                arguments. The learning rate ``lr`` is 1e-3 if not given. ``parts`` gives parts of
                the model arguments of their own: ``{"name": "adamw", "lr": 1e-4, "parts": {"head":
                {"lr": 1e-3}}}``. Parts are ``encoder``, ``encoders.<key>``, ``head`` and ``loss``.
            schedule: How the learning rate goes: ``"linear"`` or ``"cosine"`` down to 0 over the
                whole training, ``{"name": "cosine", "warm_up": 0.1}`` with a rise in the first
                tenth of it; constant by default.
            cache: How to cache the embeddings of frozen encoders, as ``CacheConfig()``; by default
                they are embedded anew at every step.
            xbm: A memory of past batches, which the loss compares each batch with, as
                ``XbmConfig()``; none by default.
            data: The training samples, for encoders that learn from them before the training
                (a tokenizer's vocabulary, say) and for ``num_groups``.

        Returns:
            A model for :meth:`fit`.

        Raises:
            MissingComponentError: A name is not registered; the error suggests the nearest.
            TypeError: An argument is unknown, missing or of the wrong kind.
            ValueError: Parts do not fit together.

        Example:
            >>> Quaterion.build(encoder="statik", loss="triplet")
            Traceback (most recent call last):
            quaterion_core.plugins.errors.MissingComponentError: ...
        """
        return assemble(
            encoder=encoder,
            encoders=encoders,
            head=head,
            loss=loss,
            metrics=metrics,
            optimizer=optimizer,
            schedule=schedule,
            cache=cache,
            xbm=xbm,
            data=data,
        )

    @classmethod
    def fit(
        cls,
        trainable_model: TrainableModel,
        trainer: pl.Trainer | None,
        train_dataloader: SimilarityDataLoader[Any],
        val_dataloader: SimilarityDataLoader[Any] | None = None,
        ckpt_path: str | None = None,
        *,
        batch_sampler: Any = None,
        grad_cache_chunk: int | None = None,
        plugins: Sequence[Any] = (),
    ) -> None:
        """Train a model.

        Neither the loaders nor the trainer's callbacks are changed: after ``fit`` all of them can
        be used again.

        Args:
            trainable_model: What to train.
            trainer: A Lightning trainer, or ``None`` for one with :meth:`trainer_defaults`. The
                default one stops when ``validation_loss`` no longer improves; where there are no
                validation data, when ``train_loss`` does not, or after 100 epochs.
            train_dataloader: Training data.
            val_dataloader: Validation data.
            ckpt_path: A Lightning checkpoint to go on from. The losses are those of a training
                that was never interrupted, also if it was saved in the middle of an epoch.
            batch_sampler: Which training samples come together in a batch: ``"no-duplicates"``,
                ``{"name": "groups", "samples_per_group": 4}``, or a
                :class:`~quaterion_core.dataset.batch_samplers.BatchSampler`. It takes the place
                of the loader's sampler; by default that one decides.
            grad_cache_chunk: Number of objects to embed at once. The loss is that of the whole
                batch, and the gradient too, but the memory that encoders take is that of so many
                objects; they run twice. By default the whole batch is embedded at once.
            plugins: Plugins whose lifecycle hooks take part, by distribution name, or as modules.
                No plugin takes part unless it is named here. They may propose arguments for the
                trainer only where ``fit`` makes it.

        Raises:
            TypeError: A loader, a sample or the loss is of the wrong kind for the others.
            ValueError: A loader has no data, or there is nothing to train.
        """
        with cls.prepare(
            trainable_model,
            trainer,
            train_dataloader,
            val_dataloader,
            ckpt_path,
            batch_sampler=batch_sampler,
            grad_cache_chunk=grad_cache_chunk,
            plugins=plugins,
        ) as train:
            train()

    @classmethod
    @contextmanager
    def prepare(
        cls,
        trainable_model: TrainableModel,
        trainer: pl.Trainer | None,
        train_dataloader: SimilarityDataLoader[Any],
        val_dataloader: SimilarityDataLoader[Any] | None = None,
        ckpt_path: str | None = None,
        *,
        batch_sampler: Any = None,
        grad_cache_chunk: int | None = None,
        plugins: Sequence[Any] = (),
        evaluated: Sequence[SimilarityDataLoader[Any]] = (),
    ) -> Iterator[Callable[[], None]]:
        """Prepare a training, so that evaluations before and after it share its cache.

        Frozen encoders that are cached embed the data of all loaders here and now. As long as the
        context lasts, :meth:`evaluate` and the model's ``encode`` look these embeddings up; they
        run the head, the other encoders, and any encoder for what it has not embedded. Without a
        cache nothing is looked up.

        Args:
            trainable_model: What to train, as in :meth:`fit`.
            trainer: A Lightning trainer, or ``None`` for a default one, as in :meth:`fit`.
            train_dataloader: Training data.
            val_dataloader: Validation data.
            ckpt_path: A Lightning checkpoint to go on from.
            batch_sampler: Which training samples come together in a batch, as in :meth:`fit`.
            grad_cache_chunk: Number of objects to embed at once, as in :meth:`fit`.
            plugins: Plugins whose lifecycle hooks take part, as in :meth:`fit`.
            evaluated: Loaders of what is evaluated on besides validation data, such as a
                reference. Training data need to be among them only where the encoder augments
                them: give ``train_dataloader`` itself.

        Yields:
            The function that trains. It takes nothing, returns nothing, and is to be called once.

        Raises:
            TypeError: A loader, a sample or the loss is of the wrong kind for the others.
            ValueError: A loader has no data, or there is nothing to train.

        Example:
            >>> import torch
            >>> from quaterion_core.dataset import GroupSimilarityDataLoader, SimilarityGroupSample
            >>> from quaterion_core.encoders import Encoder
            >>> from quaterion_core.eval.group import RetrievalRPrecision
            >>> from quaterion_core.eval.samplers import GroupSampler
            >>> class Letters(Encoder):
            ...     trainable, embedding_size = False, 26
            ...     def get_collate_fn(self): return list
            ...     def forward(self, words):
            ...         print("embedding", *words)
            ...         return torch.tensor([[float(w.count(chr(97 + n))) for n in range(26)]
            ...                              for w in words])
            >>> samples = [SimilarityGroupSample(w, w[0]) for w in ("cat", "dog", "cow", "duck")]
            >>> model = Quaterion.build(
            ...     encoder=Letters(), head="gated", loss="triplet", cache=CacheConfig()
            ... )
            >>> trainer = pl.Trainer(
            ...     max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
            ...     enable_progress_bar=False, enable_model_summary=False,
            ... )
            >>> loader = GroupSimilarityDataLoader(samples, batch_size=4)
            >>> evaluator = Evaluator(RetrievalRPrecision(), GroupSampler(log_progress=False))
            >>> with Quaterion.prepare(model, trainer, loader) as train:
            ...     before = Quaterion.evaluate(evaluator, samples, model.model)
            ...     train()
            ...     after = Quaterion.evaluate(evaluator, samples, model.model)
            embedding cat dog cow duck
        """
        loaders = {"train_dataloader": train_dataloader}
        if val_dataloader is not None:
            loaders["val_dataloader"] = val_dataloader
        for name, loader in loaders.items():
            check_loader(loader, name)
            check_loss_fits(trainable_model.loss, loader, name)
        for number, loader in enumerate(evaluated):
            check_loader(loader, f"evaluated[{number}]")
        check_chunk(grad_cache_chunk)
        lifecycle = activate(plugins)
        if trainer is None:
            defaults = cls.trainer_defaults(trainable_model, train_dataloader)
            if val_dataloader is None:
                stopping = EarlyStopping("train_loss", min_delta=1e-3)
                defaults["callbacks"] = [
                    stopping if isinstance(callback, EarlyStopping) else callback
                    for callback in defaults["callbacks"]
                ]
                defaults["max_epochs"] = 100
            trainer = pl.Trainer(**lifecycle.trainer_arguments(defaults))
        check_early_stopping(trainer, has_validation=val_dataloader is not None)
        plan: BatchPlan | None = None
        if batch_sampler is not None:
            sampler = build_batch_sampler(batch_sampler)
            plan = SamplerPlan(sampler, train_dataloader, trainer.world_size)
        lifecycle.before_fit(trainer, trainable_model)
        with ExitStack() as stack:
            prepared, cached = _prepare(
                trainable_model,
                list(loaders.values()),
                trainer,
                stack,
                _chunking(trainable_model, grad_cache_chunk),
                evaluated,
            )
            if trainer.overfit_batches > 0:  # type: ignore[attr-defined]
                plan = ordered_plan(prepared[0])
            prepared[0] = epoch_loader(prepared[0], plan)
            prepared[1:] = [epoch_loader(loader, fixed_order=True) for loader in prepared[1:]]
            callbacks = [MetricsCallback(), LossParametersCallback(), RandomStateCallback()]

            def train() -> None:
                training, validation = [*prepared, None][:2]
                aside = trainable_model.model.set_aside(cached)
                with aside, _added(trainer, callbacks), warnings.catch_warnings():
                    # Frozen encoders are in evaluation mode on purpose.
                    warnings.filterwarnings("ignore", message=r".*module\(s\) in eval mode")
                    trainer.fit(trainable_model, training, validation, ckpt_path=ckpt_path)
                lifecycle.after_fit(trainer, trainable_model)

            yield train

    @classmethod
    def evaluate(
        cls, evaluator: Evaluator, dataset: Iterable[Any], model: SimilarityModel
    ) -> dict[str, Tensor]:
        """Compute retrieval metrics of a model over a dataset.

        Args:
            evaluator: Metrics and a sampler.
            dataset: Similarity samples.
            model: A trained or loaded model; the ``model`` of a trainable one.

        Returns:
            The value of each metric by name.
        """
        return evaluator.evaluate(dataset=dataset, model=model)

    @staticmethod
    def trainer_defaults(
        trainable_model: TrainableModel | None = None,
        train_dataloader: SimilarityDataLoader[Any] | None = None,
    ) -> dict[str, Any]:
        """Return arguments for ``pl.Trainer`` that suit most trainings, to be changed at will.

        Args:
            trainable_model: The model to train, if it is known.
            train_dataloader: Its training data, if they are known.

        Returns:
            A progress bar, a model summary and early stopping on ``validation_loss``; epochs
            without limit; a log line every 50 batches, or every epoch where that is less. No
            checkpoints where all encoders of the model are frozen and cached.

        Example:
            >>> arguments = Quaterion.trainer_defaults()
            >>> arguments["max_epochs"] = 10
            >>> trainer = pl.Trainer(accelerator="cpu", logger=False, **arguments)
        """
        defaults: dict[str, Any] = {
            "callbacks": [
                QuaterionProgressBar(),
                EarlyStopping("validation_loss"),
                ModelSummary(max_depth=3),
            ],
            "max_epochs": -1,
        }
        dataset = getattr(train_dataloader, "dataset", None)
        if train_dataloader is not None and hasattr(dataset, "__len__"):
            defaults["log_every_n_steps"] = max(1, min(50, len(train_dataloader)))
        if trainable_model is not None and _all_cached(trainable_model):
            defaults["enable_checkpointing"] = False
        return defaults


def _all_cached(trainable_model: TrainableModel) -> bool:
    """Tell whether a training would run over cached embeddings alone."""
    config = trainable_model.configure_caches()
    return config is not None and all(
        not encoder.trainable and config.type_for(key) != CacheType.NONE
        for key, encoder in trainable_model.model.encoders.items()
    )


def _prepare(
    trainable_model: TrainableModel,
    loaders: list[SimilarityDataLoader[Any]],
    trainer: pl.Trainer,
    stack: ExitStack,
    chunking: Chunking | None,
    evaluated: Sequence[SimilarityDataLoader[Any]],
) -> tuple[list[Any], list[str]]:
    """Derive the loaders of a training: over the cache, if one is configured, or raw objects.

    Returns:
        The loaders, and the keys of the encoders that are cached.
    """
    model = trainable_model.model
    config = trainable_model.configure_caches()
    if config is not None:
        device = trainer.strategy.root_device
        cache = TrainingCache(
            model, config, loaders, device, trainer.world_size, chunking, evaluated
        )
        stack.callback(cache.close)
        if cache.keys:
            with torch.random.fork_rng(devices=[]):  # as random as without a cache
                prepared = cache.prepare()
            stack.enter_context(model.looking_up(cache.look_ups))
            return prepared, cache.keys
    extractors = model.meta_extractors()
    collates = [model.train_collates(), model.encoder_collates()][: len(loaders)]
    return [
        loader.with_collate(
            partial(
                TrainCollator, encoder_collates=own, meta_extractors=extractors, chunking=chunking
            )
        )
        for loader, own in zip(loaders, collates, strict=True)
    ], []


def _chunking(trainable_model: TrainableModel, size: int | None) -> Chunking | None:
    """Cut batches into chunks of objects that are of similar length for what is trained."""
    if size is None:
        return None
    trained = {k: e for k, e in trainable_model.model.encoders.items() if e.trainable}
    return Chunking(size, length_functions(trained))


@contextmanager
def _added(trainer: pl.Trainer, callbacks: list[pl.Callback]) -> Iterator[None]:
    """Give a trainer callbacks for a while, ahead of its own, which may look at what they log."""
    present = list(trainer.callbacks)  # type: ignore[attr-defined]
    trainer.callbacks = callbacks + present  # type: ignore[attr-defined]
    try:
        yield
    finally:
        trainer.callbacks = present  # type: ignore[attr-defined]
