"""The entry point of training: build, fit and evaluate similarity models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
from torch import Tensor
from typing_extensions import Unpack

from quaterion_core.components import check_plugins
from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader, as_loader
from quaterion_core.dataset.sources import Columns, check_columns, samples_from
from quaterion_core.eval.evaluator import Evaluator
from quaterion_core.model import SimilarityModel
from quaterion_core.plugins import Lifecycle, activate
from quaterion_core.train.assembly import assemble
from quaterion_core.train.cache import CacheConfig
from quaterion_core.train.run_arguments import check_model_and_trainer
from quaterion_core.train.trainable_model import TrainableModel
from quaterion_core.train.trainer import trainer_defaults
from quaterion_core.train.training import Training
from quaterion_core.train.xbm import XbmConfig
from quaterion_core.utils.given import expected


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
        data: Any = None,
        **columns: Unpack[Columns],
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
            schedule: The learning rate schedule: ``"linear"`` or ``"cosine"`` decay to 0, or
                ``{"name": "cosine", "warm_up": 0.1}`` with a linear warm-up over the first tenth
                of all steps; constant by default.
            cache: How to cache the embeddings of frozen encoders, as ``CacheConfig()``; by default
                they are embedded anew at every step.
            xbm: A memory of past batches, which the loss compares each batch with, as
                ``XbmConfig()``; none by default.
            data: The training samples, for encoders that learn from them before the training
                (a tokenizer's vocabulary, say) and for ``num_groups``; or a loader of them, or data
                of which :func:`~quaterion_core.dataset.samples_from` makes them.
            **columns: Names of the columns of ``data``, such as ``obj_a="question"``.

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
        check_columns(Quaterion.build, columns)
        if columns:
            data = samples_from(data, **columns)
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
        train_dataloader: Any,
        val_dataloader: Any = None,
        ckpt_path: str | None = None,
        *,
        batch_sampler: Any = None,
        grad_cache_chunk: int | None = None,
        keep_best: str | None = None,
        plugins: Sequence[Any] = (),
        **columns: Unpack[Columns],
    ) -> None:
        """Train a model.

        Neither the loaders nor the trainer's callbacks are changed: after ``fit`` all of them can
        be used again.

        Args:
            trainable_model: What to train.
            trainer: A Lightning trainer, or ``None`` for one with :meth:`trainer_defaults`. The
                default one stops when ``validation_loss`` no longer improves; where there are no
                validation data, when ``train_loss`` does not, or after 100 epochs.
            train_dataloader: Training data: a loader, or data of which
                :func:`~quaterion_core.dataset.samples_from` makes samples. The latter come in
                random order, in batches of 32.
            val_dataloader: Validation data, likewise, in order.
            ckpt_path: A Lightning checkpoint to resume from. The losses are those of an
                uninterrupted run, even if it was saved in the middle of an epoch.
            batch_sampler: Which training samples come together in a batch: ``"no-duplicates"``,
                ``{"name": "groups", "samples_per_group": 4}``, or a
                :class:`~quaterion_core.dataset.batch_samplers.BatchSampler`. It takes the place
                of the loader's sampler; by default that one decides.
            grad_cache_chunk: Number of objects to embed at once. The loss is that of the whole
                batch, and the gradient too, but the memory that encoders take is that of so many
                objects; they run twice. By default the whole batch is embedded at once.
            keep_best: Value by which to keep the weights of the best epoch instead of those of the
                last one: ``validation_loss``, ``train_loss`` or a metric by its name. By default
                the default trainer keeps the best by what it monitors, and others the last.
            plugins: Plugins whose lifecycle hooks take part, by distribution name, as mappings of
                ``name`` and settings, or as modules. No plugin takes part unless it is named here.
                They may propose arguments for the trainer only where ``fit`` makes it.
            **columns: Names of the columns of both data, such as ``obj_a="question"``; by default
                they are recognised by their names.

        Raises:
            TypeError: A loader, a sample or the loss is of the wrong kind for the others.
            ValueError: A loader has no data, or there is nothing to train.
        """
        check_columns(cls.fit, columns)
        with cls.prepare(
            trainable_model,
            trainer,
            train_dataloader,
            val_dataloader,
            ckpt_path,
            batch_sampler=batch_sampler,
            grad_cache_chunk=grad_cache_chunk,
            keep_best=keep_best,
            plugins=plugins,
            **columns,
        ) as train:
            train()

    @classmethod
    @contextmanager
    def prepare(
        cls,
        trainable_model: TrainableModel,
        trainer: pl.Trainer | None,
        train_dataloader: Any,
        val_dataloader: Any = None,
        ckpt_path: str | None = None,
        *,
        batch_sampler: Any = None,
        grad_cache_chunk: int | None = None,
        keep_best: str | None = None,
        plugins: Sequence[Any] | Lifecycle = (),
        evaluated: Sequence[SimilarityDataLoader[Any]] = (),
        **columns: Unpack[Columns],
    ) -> Iterator[Callable[[], None]]:
        """Prepare a training run, so that evaluations before and after it share its cache.

        Frozen encoders that are cached embed the data of all loaders once. Within the context,
        :meth:`evaluate` and the model's ``encode`` read these embeddings; they run the head, the
        other encoders, and any encoder for objects that are not cached.

        Args:
            trainable_model: What to train, as in :meth:`fit`.
            trainer: A Lightning trainer, or ``None`` for a default one, as in :meth:`fit`.
            train_dataloader: Training data.
            val_dataloader: Validation data.
            ckpt_path: A Lightning checkpoint to resume from.
            batch_sampler: Which training samples come together in a batch, as in :meth:`fit`.
            grad_cache_chunk: Number of objects to embed at once, as in :meth:`fit`.
            keep_best: Value by which to keep the weights of the best epoch, as in :meth:`fit`.
            plugins: Plugins whose lifecycle hooks take part, as in :meth:`fit`; or what
                :func:`~quaterion_core.plugins.activate` made of them.
            evaluated: Loaders of what is evaluated on besides validation data, such as a
                reference. Training data need to be among them only where the encoder augments
                them: give ``train_dataloader`` itself.
            **columns: Names of the columns of both data, as in :meth:`fit`.

        Yields:
            A :class:`~quaterion_core.train.training.Training`. Call it once, without arguments.

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
        check_columns(cls.prepare, columns)
        check_model_and_trainer(trainable_model, trainer)
        check_plugins(plugins)
        training = Training(
            trainable_model,
            trainer,
            as_loader(train_dataloader, shuffle=True, **columns),
            None if val_dataloader is None else as_loader(val_dataloader, shuffle=False, **columns),
            ckpt_path,
            lifecycle=activate(plugins),
            batch_sampler=batch_sampler,
            grad_cache_chunk=grad_cache_chunk,
            evaluated=evaluated,
            keep_best=keep_best,
        )
        with training.prepared():
            yield training

    @classmethod
    def evaluate(
        cls,
        evaluator: Evaluator,
        dataset: Any,
        model: SimilarityModel,
        **columns: Unpack[Columns],
    ) -> dict[str, Tensor]:
        """Compute retrieval metrics of a model over a dataset.

        Args:
            evaluator: Metrics and a sampler.
            dataset: Similarity samples, as a list, dataset or loader; or a table, list or dataset
                with their columns, as for :func:`~quaterion_core.dataset.samples_from`.
            model: A trained or loaded model; the ``model`` of a trainable one.
            **columns: Names of columns, such as ``obj_a="question", obj_b="answer"``.

        Returns:
            The value of each metric by name.
        """
        if not isinstance(evaluator, Evaluator):
            advice = "The order is Quaterion.evaluate(evaluator, dataset, model)."
            raise expected("evaluator", "an Evaluator", evaluator, advice)
        return evaluator.evaluate(dataset, model, **columns)

    @staticmethod
    def trainer_defaults(
        trainable_model: TrainableModel | None = None,
        train_dataloader: SimilarityDataLoader[Any] | None = None,
    ) -> dict[str, Any]:
        """Return arguments for ``pl.Trainer`` that suit most training runs.

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
        return trainer_defaults(trainable_model, train_dataloader)
