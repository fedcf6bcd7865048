"""The run of a recipe: data, model, training, metrics before and after, and the saved folder."""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl

from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader, loader_for
from quaterion_core.heads.hubness_reduction_head import check_neighbourhood
from quaterion_core.main import Quaterion
from quaterion_core.recipe.data import Evaluation, load_reference
from quaterion_core.recipe.faults import RecipeError
from quaterion_core.recipe.fit import FitResult
from quaterion_core.recipe.preparation import Preparation, interrupted_run
from quaterion_core.recipe.reference_metrics import ReferenceMetrics
from quaterion_core.recipe.report import (
    REPORT_FILE,
    changed_splits,
    data_facts,
    environment,
)
from quaterion_core.recipe.saving import saved_recipe
from quaterion_core.recipe.settings import Recipe
from quaterion_core.recipe.trainer import quiet_lightning
from quaterion_core.storage import json_text
from quaterion_core.train.cache import CacheConfig, CacheType
from quaterion_core.train.callbacks.interruption_callback import InterruptionCallback
from quaterion_core.train.trainable_model import TrainableModel
from quaterion_core.train.xbm import XbmConfig
from quaterion_core.utils.counted import counted
from quaterion_core.utils.embedding_progress import embedding_progress


def run(prepared: Preparation, write: Callable[[str], object]) -> FitResult:
    """Load the data, build the model, train it, evaluate it before and after, and save it.

    Args:
        prepared: The checked recipe.
        write: Called with each line of progress.
    """
    recipe, trainer = prepared.recipe, prepared.trainer.trainer
    text = prepared.trainer.history.recipe = saved_recipe(recipe)
    checkpoint = None if prepared.output is None else interrupted_run(prepared.output)
    if checkpoint is not None:
        trainer.callbacks.append(InterruptionCallback(checkpoint))  # type: ignore[attr-defined]
        if checkpoint.exists() and not prepared.resume:
            write(f"Starting over; --resume would continue the run that is kept in {checkpoint}.")
    pl.seed_everything(recipe.seed, workers=True, verbose=False)
    evaluation, train = _load(prepared)
    validation = evaluation.samples
    if evaluation.reference is not None and not evaluation.is_empty:
        trainer.callbacks.append(ReferenceMetrics(evaluation))  # type: ignore[attr-defined]
    write(f"Data: {counted(len(train), 'training sample')}, {len(validation):,} for validation.")
    facts = data_facts(_splits(evaluation, train))
    if changed := changed_splits(recipe, facts):
        write(f"The data differ from those of the repeated run: {', '.join(changed)} changed.")
    loader = loader_for(train[0])
    train_loader = loader(train, batch_size=recipe.batch_size, **{"shuffle": True, **recipe.loader})
    objects = _objects_for_hubness(recipe, train)
    model = _build(prepared, train)
    started = time.perf_counter()
    with (
        quiet_lightning(),
        Quaterion.prepare(
            model,
            trainer,
            train_loader,
            loader(validation, batch_size=recipe.batch_size) if validation else None,
            str(checkpoint) if prepared.resume else None,
            batch_sampler=prepared.components.batch_sampler,
            grad_cache_chunk=recipe.grad_cache_chunk,
            plugins=prepared.lifecycle,
            evaluated=_evaluated(evaluation, train, train_loader),
        ) as fit,
    ):
        cache_seconds = time.perf_counter() - started
        with embedding_progress():
            before = evaluation.evaluate(model.model)
        started = time.perf_counter()
        fit()
        if recipe.hubness_reduction is not None:
            model.model.reduce_hubness(objects, **recipe.hubness_reduction.model_dump())
        seconds = time.perf_counter() - started
        with embedding_progress():
            after, intervals = evaluation.with_intervals(model.model)
    result = FitResult(
        model=model.model,
        before=before,
        after=after,
        intervals=intervals,
        history=prepared.trainer.history.epochs,
        seconds=seconds,
        cache_seconds=cache_seconds,
        epochs=trainer.current_epoch,
        best_epoch=None if prepared.trainer.best is None else prepared.trainer.best.epoch,
        is_cached=recipe.cache is not None,
        output=prepared.output,
        takes_texts=isinstance(loader.pre_collate_fn([train[0]])[0][0], str),
        facts={
            "data": facts,
            **environment(recipe, trainer.strategy.root_device, trainer.world_size),
        },
    )
    if prepared.output is not None and trainer.is_global_zero:
        model.model.save(
            prepared.output,
            overwrite=prepared.overwrite,
            notes={
                "recipe.yaml": text,
                REPORT_FILE: json_text(result.report()),
            },
        )
        assert checkpoint is not None
        shutil.rmtree(checkpoint.parent, ignore_errors=True)
        prepared.lifecycle.after_save(prepared.output, model.model)
    return result


def _load(prepared: Preparation) -> tuple[Evaluation, Sequence[Any]]:
    """Load the samples to evaluate on, and those to train on."""
    recipe, dataset = prepared.recipe, prepared.dataset
    train = dataset.load(recipe.splits.train)
    if not train:
        raise RecipeError(f"The split {recipe.splits.train!r} has no samples.")
    name = recipe.validation_split(dataset)
    validation = dataset.load(name) if name else []
    loaded = {recipe.splits.train: train, name: validation}
    reference = load_reference(dataset, recipe.splits.reference, loaded)
    if prepared.components.metrics and not validation:
        warnings.warn(
            "The recipe names metrics, but there are no validation samples to compute them over: "
            "they are only logged for training batches. Name a validation split, such as "
            "splits: {validation: test}.",
            stacklevel=4,
        )
    return Evaluation(validation, prepared.components.metrics, reference), train


def _splits(evaluation: Evaluation, train: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """Return the samples that determine the result of a run, by purpose."""
    splits = {"train": train, "validation": evaluation.samples}
    if evaluation.reference is not None:
        splits["reference"] = evaluation.reference
    return splits


def _build(prepared: Preparation, samples: Sequence[Any]) -> TrainableModel:
    """Build the model from the components of the check and those that need data."""
    recipe, built = prepared.recipe, prepared.components
    return Quaterion.build(
        encoder=recipe.encoder,
        encoders=recipe.encoders,
        head=recipe.head,
        loss=recipe.loss,
        metrics=built.metrics,
        optimizer=built.optimizer,
        schedule=built.schedule,
        cache=_cache(recipe),
        xbm=None if recipe.xbm is None else XbmConfig(**recipe.xbm.model_dump()),
        data=samples,
    )


def _evaluated(
    evaluation: Evaluation, train: Sequence[Any], train_loader: SimilarityDataLoader[Any]
) -> list[SimilarityDataLoader[Any]]:
    """Return the loaders of data to evaluate on besides the validation data: the reference."""
    reference = evaluation.reference
    if reference is None or evaluation.is_empty:
        return []
    return [train_loader if reference is train else loader_for(reference[0])(reference)]


def _objects_for_hubness(recipe: Recipe, samples: Sequence[Any]) -> list[Any]:
    """Return the objects for hubness reduction, after checking that there are enough."""
    reduction = recipe.hubness_reduction
    if reduction is None:
        return []
    objects, _ = loader_for(samples[0]).pre_collate_fn(list(samples))
    check_neighbourhood(reduction.neighbors, min(len(objects), reduction.max_objects))
    return objects


def _cache(recipe: Recipe) -> CacheConfig | None:
    """Return the configuration of the cache, if the recipe has one."""
    if recipe.cache is None:
        return None
    settings = recipe.cache.model_dump()
    return CacheConfig(cache_type=CacheType(settings.pop("type")), **settings)
