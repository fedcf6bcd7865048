"""Recipes: a whole training described by one YAML file, checked before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from quaterion_core.components import component_class
from quaterion_core.dataset.batch_samplers import build_batch_sampler
from quaterion_core.dataset.split_dataset import SplitDataset
from quaterion_core.plugins import PluginError


class RecipeError(ValueError):
    """A recipe that cannot be carried out; the message lists everything that is wrong with it."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Splits(_Section):
    """Which splits of the dataset to use.

    Attributes:
        train: The split to train on.
        validation: The split to validate on; ``None`` for none. By default ``validation``, where
            the dataset has it.
        reference: For data of groups, the split whose samples those of validation are searched
            among, such as ``train``; by default each is searched among the others of its own
            split. It holds for the metrics before and after the training, and for
            ``quaterion evaluate``. Those that are logged after each epoch are over the validation
            samples alone.
    """

    train: str = "train"
    validation: str | None = "validation"
    reference: str | None = None


class EarlyStop(_Section):
    """When to stop before the last epoch.

    Attributes:
        monitor: What to watch.
        patience: Number of validations without improvement after which to stop.
        mode: Whether to watch for the minimum or the maximum.
    """

    monitor: str = "validation_loss"
    patience: int = Field(default=3, ge=1)
    mode: str = Field(default="min", pattern="^(min|max)$")


class Cache(_Section):
    """How to cache the embeddings of frozen encoders.

    Attributes:
        type: Where to keep them: ``auto``, ``cpu``, ``gpu``, ``disk`` or ``none``.
        save_dir: Folder in which to keep them for later runs.
        batch_size: Objects of average length that are embedded at once.
        num_workers: Processes that read and collate objects.
        views: Embeddings to keep of each object, for encoders that augment at random.
    """

    type: Literal["auto", "cpu", "gpu", "disk", "none"] = "auto"
    save_dir: str | None = None
    batch_size: int = Field(default=32, ge=1)
    num_workers: int | None = Field(default=None, ge=0)
    views: int = Field(default=1, ge=1)


class Memory(_Section):
    """A memory of embeddings of past batches, which the loss compares a batch with.

    Attributes:
        weight: Weight of the loss against the memory.
        buffer_size: Number of embeddings to remember; of pairs, where the data are pairs.
        start_iteration: Number of steps after which the memory takes part.
    """

    weight: float = 1.0
    buffer_size: int = Field(default=10000, ge=1)
    start_iteration: int = Field(default=1000, ge=0)


class HubnessReduction(_Section):
    """How to make hubs lose, once the model is trained.

    Attributes:
        neighbors: How many of the training objects make up the neighbourhood of an embedding.
        weight: How much crowds count.
        max_objects: Of more training objects than this, as many are taken at random.
    """

    neighbors: int = Field(default=20, ge=1)
    weight: float = Field(default=3.0, ge=0)
    max_objects: int = Field(default=5000, ge=1)


class Recipe(_Section):
    """A training: data, model, and how to fit it.

    Attributes:
        data: A registered dataset, by name, or as a mapping of its name and arguments.
        splits: Which of its splits to use.
        encoder: The encoder, chosen in the same way, or
        encoders: several by key.
        head: The head.
        loss: The loss.
        metrics: Metrics, as a list or by the names to log them under.
        optimizer: Optimizer and its arguments; ``parts`` has those of parts of the model that
            differ, such as ``{head: {lr: 0.01}}``. Parts are ``encoder``, ``encoders.<key>``,
            ``head`` and ``loss``.
        schedule: How the learning rate goes: ``linear`` or ``cosine`` down to 0, as a name or as a
            mapping of its name and ``warm_up``, a part of all steps; constant by default.
        cache: How to cache the embeddings of frozen encoders; not at all by default. ``{}`` takes
            the defaults.
        epochs: Number of passes over the training data.
        batch_size: Samples in a batch.
        batch_sampler: Which samples come together in a batch, by name (``groups``,
            ``no-duplicates``) or as a mapping of its name and arguments; at random by default.
        grad_cache_chunk: Number of objects to embed at once, for batches whose encoders would not
            fit into memory; by default the whole batch.
        xbm: A cross-batch memory; none by default. ``{}`` takes the defaults.
        hubness_reduction: How to make hubs lose by
            :meth:`SimilarityModel.reduce_hubness <quaterion_core.SimilarityModel.reduce_hubness>`
            with the training objects, after the training; not at all by default. ``{}`` takes the
            defaults.
        seed: Where all randomness starts.
        early_stopping: When to stop early; never by default.
        loader: Further arguments of the data loader, such as ``num_workers``.
        trainer: Further arguments of Lightning's ``Trainer``, such as ``accelerator``,
            ``devices``, ``strategy``, ``precision``.
        plugins: Plugins whose lifecycle hooks take part.
    """

    data: str | dict[str, Any]
    splits: Splits = Splits()
    encoder: str | dict[str, Any] | None = None
    encoders: dict[str, str | dict[str, Any]] | None = None
    head: str | dict[str, Any] = "identity"
    loss: str | dict[str, Any]
    metrics: list[str | dict[str, Any]] | dict[str, str | dict[str, Any]] = []
    optimizer: str | dict[str, Any] = "adam"
    schedule: str | dict[str, Any] | None = None
    cache: Cache | None = None
    epochs: int = Field(default=10, ge=1)
    batch_size: int = Field(default=32, ge=1)
    batch_sampler: str | dict[str, Any] | None = None
    grad_cache_chunk: int | None = Field(default=None, ge=1)
    xbm: Memory | None = None
    hubness_reduction: HubnessReduction | None = None
    seed: int = Field(default=0, ge=0)
    early_stopping: EarlyStop | None = None
    loader: dict[str, Any] = {}
    trainer: dict[str, Any] = {}
    plugins: list[str] = []

    @model_validator(mode="after")
    def _one_kind_of_encoders(self) -> Recipe:
        if (self.encoder is None) == (self.encoders is None):
            raise ValueError("give either 'encoder' or 'encoders'")
        return self

    @field_validator("loader")
    @classmethod
    def _no_second_batch_size(cls, loader: dict[str, Any]) -> dict[str, Any]:
        if "batch_size" in loader:
            raise ValueError("'batch_size' belongs to the top level of the recipe")
        return loader

    def validation_split(self, dataset: SplitDataset) -> str | None:
        """Return the split to validate on, if there is one.

        A split that the recipe names has to exist; the default one is used where it does.
        """
        name = self.splits.validation
        if "validation" in self.splits.model_fields_set or name in dataset.splits:
            return name
        return None

    def choices(self) -> list[tuple[str, str, Any]]:
        """List the components as (place in the recipe, kind, choice)."""
        listed: list[tuple[str, str, Any]] = [("data", "dataset", self.data)]
        if self.encoder is not None:
            listed.append(("encoder", "encoder", self.encoder))
        listed += [(f"encoders.{key}", "encoder", c) for key, c in (self.encoders or {}).items()]
        listed += [("head", "head", self.head), ("loss", "loss", self.loss)]
        metrics = (
            self.metrics if isinstance(self.metrics, Mapping) else dict(enumerate(self.metrics))
        )
        listed += [(f"metrics.{key}", "metric", choice) for key, choice in metrics.items()]
        return listed


_SECTIONS: Final[dict[str, type[BaseModel]]] = {
    "cache": Cache,
    "early_stopping": EarlyStop,
    "hubness_reduction": HubnessReduction,
    "splits": Splits,
    "xbm": Memory,
}


def read_recipe(path: Path) -> Recipe:
    """Read a recipe and check it: keys, values, component names and the names of arguments.

    Raises:
        RecipeError: The message names the file, and for everything that is wrong its place and
            what was probably meant.
    """
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}.") from None
    except YAMLError as error:
        raise RecipeError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise RecipeError(f"{path} holds no recipe: expected keys such as data, encoder, loss.")
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        faults = [_explain(fault) for fault in error.errors()]
        raise RecipeError(_listed(path, list(dict.fromkeys(faults)))) from None
    faults = []
    for place, kind, choice in recipe.choices():
        try:
            component_class(kind, choice)
        except (PluginError, TypeError) as error:
            faults.append(f"{place}: {error}")
    if recipe.batch_sampler is not None:
        try:
            build_batch_sampler(recipe.batch_sampler).check_batch_size(recipe.batch_size)
        except (ValueError, TypeError) as error:
            faults.append(f"batch_sampler: {error}")
    if faults:
        raise RecipeError(_listed(path, faults))
    return recipe


def _explain(fault: Any) -> str:
    """Say what is wrong in the words of somebody who wrote a recipe."""
    location = [str(part) for part in fault["loc"]]
    place = ".".join(location)
    if fault["type"] == "extra_forbidden":
        known = list(_SECTIONS.get(location[0] if len(location) > 1 else "", Recipe).model_fields)
        nearest = get_close_matches(location[-1], known, n=1)
        hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
        return f"unknown key {place!r}. {hint}Known keys: {', '.join(known)}."
    if fault["type"] == "missing":
        return f"the key {place!r} is missing."
    message = fault["msg"].removeprefix("Value error, ")
    return f"{location[0] + ': ' if location else ''}{message}, but got {fault['input']!r:.80}."


def _listed(path: Path, faults: list[str]) -> str:
    return "\n".join([f"{path} cannot be carried out:", *(f"  - {fault}" for fault in faults)])
