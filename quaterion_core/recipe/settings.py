"""The keys of a recipe and their values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

if TYPE_CHECKING:
    from quaterion_core.dataset.split_dataset import SplitDataset

DEFAULT_OPTIMIZER: Final = "adam"

PROVIDED: Final = frozenset({"input_embedding_size", "embedding_size", "num_groups"})
"""Arguments of heads and losses that are set once the encoders and the data are known."""

NOT_OF_A_LOADER: Final = frozenset(
    {"dataset", "batch_size", "sampler", "batch_sampler", "collate_fn", "worker_init_fn",
     "generator", "multiprocessing_context"}
)  # fmt: skip
"""Arguments of a data loader that a recipe does not set."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Splits(_Section):
    """Splits of the dataset to use.

    Attributes:
        train: The split to train on.
        validation: The split to validate on; ``None`` for none. By default ``validation``, if the
            dataset has it.
        reference: For group samples, the split in which validation samples are searched, such as
            ``train``; by default each is searched among the others of its own split. It applies to
            the metrics before and after training, to those that are logged after each epoch, and to
            ``quaterion evaluate``.
    """

    train: str = "train"
    validation: str | None = "validation"
    reference: str | None = None


class EarlyStop(_Section):
    """Early stopping.

    Attributes:
        monitor: Value to monitor: ``validation_loss``, ``train_loss``, or a metric by its name in
            the table of metrics, such as ``retrieval_precision@1``.
        patience: Number of validations without improvement after which to stop.
        mode: ``min`` or ``max``; by default ``min`` for a loss and ``max`` for a metric.
    """

    monitor: str = "validation_loss"
    patience: int = Field(default=3, ge=1)
    mode: Literal["min", "max"] | None = None


class Cache(_Section):
    """Cache of the embeddings of frozen encoders.

    Attributes:
        type: Where to keep them: ``auto``, ``cpu``, ``gpu``, ``disk`` or ``none``.
        save_dir: Folder in which to keep them for later runs.
        batch_size: Number of objects of average length that are embedded at once.
        num_workers: Number of processes that read and collate objects.
        views: Number of embeddings to keep of each object, for encoders that augment at random.
    """

    type: Literal["auto", "cpu", "gpu", "disk", "none"] = "auto"
    save_dir: str | None = None
    batch_size: int = Field(default=32, ge=1)
    num_workers: int | None = Field(default=None, ge=0)
    views: int = Field(default=1, ge=1)


class Memory(_Section):
    """Cross-batch memory: embeddings of past batches that the loss compares a batch with.

    Attributes:
        weight: Weight of the loss against the memory.
        buffer_size: Number of embeddings to store; number of pairs for a dataset of pairs.
        start_iteration: Number of steps before the memory is used.
    """

    weight: float = Field(default=1.0, ge=0)
    buffer_size: int = Field(default=10000, ge=1)
    start_iteration: int = Field(default=1000, ge=0)


class HubnessReduction(_Section):
    """Hubness reduction after training.

    Attributes:
        neighbors: Number of training objects in the neighborhood of an embedding.
        weight: Weight of the mean similarity to the neighborhood.
        max_objects: Maximum number of training objects; if there are more, a random sample is
            used.
    """

    neighbors: int = Field(default=20, ge=1)
    weight: float = Field(default=3.0, ge=0)
    max_objects: int = Field(default=5000, ge=1)


class Recipe(_Section):
    """A training run: data, model, and how to fit it.

    Attributes:
        data: A registered dataset, by name, or as a mapping of its name and arguments.
        splits: Its splits to use.
        encoder: The encoder, chosen in the same way.
        encoders: Several encoders by key, instead of ``encoder``.
        head: The head.
        loss: The loss.
        metrics: Metrics, as a list or by the names to log them under.
        optimizer: Optimizer and its arguments; ``parts`` has arguments that differ for parts of
            the model, such as ``{head: {lr: 0.01}}``. Parts are ``encoder``, ``encoders.<key>``,
            ``head`` and ``loss``.
        schedule: The learning rate schedule: ``linear`` or ``cosine`` down to 0, as a name or as a
            mapping of its name and ``warm_up``, a fraction of all steps; constant by default.
        cache: How to cache the embeddings of frozen encoders; not at all by default. ``{}`` takes
            the defaults.
        epochs: Number of passes over the training data.
        batch_size: Number of samples in a batch.
        batch_sampler: Batch sampler, by name (``groups``, ``no-duplicates``) or as a mapping of
            its name and arguments; by default batches are random.
        grad_cache_chunk: Number of objects to embed at once, for batches that do not fit into
            memory as a whole; by default the whole batch.
        xbm: A cross-batch memory; none by default. ``{}`` takes the defaults.
        hubness_reduction: How to reduce hubness by
            :meth:`SimilarityModel.reduce_hubness <quaterion_core.SimilarityModel.reduce_hubness>`
            with the training objects, after training; not at all by default. ``{}`` takes the
            defaults.
        seed: The seed of all random numbers.
        early_stopping: Early stopping; none by default.
        keep_best: Value that determines the best epoch, whose weights are kept:
            ``validation_loss``, ``train_loss`` or a metric, as for ``early_stopping``. By default
            it is what ``early_stopping`` monitors; without early stopping, the weights of the last
            epoch are kept.
        loader: Further arguments of the data loader, such as ``num_workers``.
        trainer: Further arguments of Lightning's ``Trainer``, such as ``accelerator``,
            ``devices``, ``strategy``, ``precision``. ``logger`` and ``callbacks`` are chosen by
            name, such as ``{logger: csv, callbacks: [early-stopping]}``.
        plugins: Plugins whose lifecycle hooks are called, each by name or, with settings, as a
            mapping such as ``{name: acme, x: 1}``.

    Relative paths in a recipe are relative to :attr:`folder`.
    """

    data: str | dict[str, Any]
    splits: Splits = Splits()
    encoder: str | dict[str, Any] | None = None
    encoders: dict[str, str | dict[str, Any]] | None = None
    head: str | dict[str, Any] = "identity"
    loss: str | dict[str, Any]
    metrics: list[str | dict[str, Any]] | dict[str, str | dict[str, Any]] = []
    optimizer: str | dict[str, Any] = DEFAULT_OPTIMIZER
    schedule: str | dict[str, Any] | None = None
    cache: Cache | None = None
    epochs: int = Field(default=10, ge=1)
    batch_size: int = Field(default=32, ge=1)
    batch_sampler: str | dict[str, Any] | None = None
    grad_cache_chunk: int | None = Field(default=None, ge=1)
    xbm: Memory | None = None
    hubness_reduction: HubnessReduction | None = None
    seed: int = Field(default=0, ge=0, lt=2**32)
    early_stopping: EarlyStop | None = None
    keep_best: str | None = None
    loader: dict[str, Any] = {}
    trainer: dict[str, Any] = {}
    plugins: list[str | dict[str, Any]] = []

    _folder: Path = PrivateAttr(default_factory=Path)
    _text: str | None = PrivateAttr(default=None)
    _name: str = PrivateAttr(default="The recipe")

    @property
    def folder(self) -> Path:
        """The base folder of relative paths: the folder of the recipe."""
        return self._folder

    def validation_split(self, dataset: SplitDataset) -> str | None:
        """Return the split to validate on, if there is one.

        A split that the recipe names must exist; the default one is used if it exists.
        """
        name = self.splits.validation
        if "validation" in self.splits.model_fields_set or name in dataset.splits:
            return name
        return None


def component_choices(content: Mapping[str, Any]) -> list[tuple[tuple[str | int, ...], str, Any]]:
    """List the components of a recipe as (place in the recipe, kind, choice).

    Args:
        content: The recipe as it was read, which may have faults elsewhere.
    """
    listed: list[tuple[tuple[str | int, ...], str, Any]] = [
        ((key,), kind, content[key])
        for key, kind in _COMPONENTS.items()
        if content.get(key) is not None
    ]
    for key, kind in _SEVERAL_COMPONENTS.items():
        several = content.get(key)
        if isinstance(several, Mapping):
            listed += [((key, name), kind, choice) for name, choice in several.items()]
        elif isinstance(several, (list, tuple)):
            listed += [((key, number), kind, choice) for number, choice in enumerate(several)]
    return listed


def trainer_choices(
    trainer: Mapping[str, Any],
) -> list[tuple[tuple[str | int, ...], str, Any]]:
    """List the callbacks and loggers of a trainer as (place in the recipe, kind, choice).

    Args:
        trainer: Arguments of the trainer; ``logger`` may also switch the default logger on or off.
    """
    listed: list[tuple[tuple[str | int, ...], str, Any]] = []
    for key, kind in _OF_TRAINER.items():
        value = trainer.get(key)
        if isinstance(value, (list, tuple)):
            listed += [(("trainer", key, n), kind, choice) for n, choice in enumerate(value)]
        elif value is not None and not (kind == "logger" and isinstance(value, bool)):
            listed.append((("trainer", key), kind, value))
    return listed


_OF_TRAINER: Final = {"logger": "logger", "callbacks": "callback"}
_COMPONENTS: Final = {"data": "dataset", "encoder": "encoder", "head": "head", "loss": "loss"}
PARTS_OF_TRAINING: Final = {
    "optimizer": "optimizer",
    "schedule": "schedule",
    "batch_sampler": "batch-sampler",
}
"""Further keys that choose a component by name, with its kind."""
_SEVERAL_COMPONENTS: Final = {"encoders": "encoder", "metrics": "metric"}
