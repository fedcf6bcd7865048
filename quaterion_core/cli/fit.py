"""`quaterion fit`: the whole job, from a recipe to a saved model."""

from __future__ import annotations

import logging
import time
import warnings
from functools import partial
from pathlib import Path

import click
import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping
from rich.console import Console

from quaterion_core.cli.errors import user_errors
from quaterion_core.cli.evaluation import evaluate_samples, load_reference, metrics_table
from quaterion_core.components import build_component
from quaterion_core.dataset.similarity_data_loader import loader_for
from quaterion_core.dataset.split_dataset import SplitDataset
from quaterion_core.eval.metric_choices import attached_metrics
from quaterion_core.heads.hubness_reduction_head import check_neighbourhood
from quaterion_core.main import Quaterion
from quaterion_core.model_folder import check_model_output
from quaterion_core.plugins import activate
from quaterion_core.recipe import Recipe, RecipeError, read_recipe
from quaterion_core.storage import json_text
from quaterion_core.train.cache import CacheConfig, CacheType
from quaterion_core.train.callbacks.epoch_lines import EpochLines
from quaterion_core.train.callbacks.progress_bar import QuaterionProgressBar
from quaterion_core.train.xbm import XbmConfig


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for the trained model: new, or empty.",
)
@click.option("--overwrite", is_flag=True, help="Replace a model that is saved at --output.")
def fit(recipe: Path, output: Path, overwrite: bool) -> None:
    """Train a model as RECIPE says, and save it.

    The folder also gets the recipe and the metrics (report.json).
    """
    # Lightning's notices about hardware and its own products are not what was asked for.
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    with user_errors():
        settings = read_recipe(recipe)
        check_model_output(output, overwrite=overwrite)
        _fit(settings, recipe.read_text(encoding="utf-8"), output, overwrite)


def _fit(recipe: Recipe, text: str, output: Path, overwrite: bool) -> None:
    console = Console()
    pl.seed_everything(recipe.seed, workers=True, verbose=False)
    dataset: SplitDataset = build_component("dataset", recipe.data)
    train = dataset.load(recipe.splits.train)
    validation = dataset.load(name) if (name := recipe.validation_split(dataset)) else []
    if not train:
        raise RecipeError(f"The split {recipe.splits.train!r} has no samples.")
    loaded = {recipe.splits.train: train, name: validation}
    reference = load_reference(dataset, recipe.splits.reference, loaded)
    loader = loader_for(train[0])
    console.print(f"Data: {len(train):,} training samples, {len(validation):,} for validation.")
    reduction = recipe.hubness_reduction
    if reduction is not None:
        objects, _ = loader.pre_collate_fn(list(train))
        check_neighbourhood(reduction.neighbors, min(len(objects), reduction.max_objects))

    model = Quaterion.build(
        encoder=recipe.encoder,
        encoders=recipe.encoders,
        head=recipe.head,
        loss=recipe.loss,
        metrics=recipe.metrics,
        optimizer=recipe.optimizer,
        schedule=recipe.schedule,
        cache=_cache(recipe),
        xbm=None if recipe.xbm is None else XbmConfig(**recipe.xbm.model_dump()),
        data=train,
    )
    defaults = {
        "max_epochs": recipe.epochs,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "logger": False,
        "callbacks": _callbacks(recipe, console),
        "enable_progress_bar": console.is_terminal,
    }
    lifecycle = activate(recipe.plugins)
    trainer = pl.Trainer(**lifecycle.trainer_arguments(defaults, given=recipe.trainer))
    metrics = attached_metrics(recipe.metrics)
    evaluate = partial(evaluate_samples, model.model, validation, metrics, reference)
    train_loader = loader(train, batch_size=recipe.batch_size, **{"shuffle": True, **recipe.loader})
    evaluated = []
    if reference is not None and validation and metrics:
        evaluated = [train_loader if reference is train else loader_for(reference[0])(reference)]
    started = time.perf_counter()
    with Quaterion.prepare(
        model,
        trainer,
        train_loader,
        loader(validation, batch_size=recipe.batch_size) if validation else None,
        batch_sampler=recipe.batch_sampler,
        grad_cache_chunk=recipe.grad_cache_chunk,
        plugins=recipe.plugins,
        evaluated=evaluated,
    ) as train_model:
        cache_seconds = time.perf_counter() - started
        before = evaluate()
        started = time.perf_counter()
        train_model()
        if reduction is not None:
            model.model.reduce_hubness(objects, **reduction.model_dump())
        seconds = time.perf_counter() - started
        after = evaluate()
    if trainer.is_global_zero:
        report = {
            "before": before,
            "after": after,
            "seconds": round(seconds, 2),
            "cache_seconds": round(cache_seconds, 2),
        }
        model.model.save(
            output,
            overwrite=overwrite,
            notes={"recipe.yaml": text, "report.json": json_text(report)},
        )
        if after:
            console.print(metrics_table({"before": before, "after": after}))
        filling = "" if recipe.cache is None else f", after {cache_seconds:.1f} s for the cache"
        console.print(
            f"Trained for {trainer.current_epoch} epochs in {seconds:.1f} s{filling}; "
            f"saved to {output}."
        )
        console.print(f'Try it:  quaterion search {output} "your query"', highlight=False)


def _cache(recipe: Recipe) -> CacheConfig | None:
    """Return the cache that the recipe wants."""
    if recipe.cache is None:
        return None
    settings = recipe.cache.model_dump()
    return CacheConfig(cache_type=CacheType(settings.pop("type")), **settings)


def _callbacks(recipe: Recipe, console: Console) -> list[pl.Callback]:
    """Return what shows the progress, and the recipe's early stopping.

    That is a progress bar, or a line for each epoch where there is no terminal to draw it on, and
    nothing if the recipe wants no bar.
    """
    callbacks: list[pl.Callback] = []
    if recipe.trainer.get("enable_progress_bar", True):
        write = partial(console.print, highlight=False, soft_wrap=True)
        callbacks.append(QuaterionProgressBar() if console.is_terminal else EpochLines(write))
    if recipe.early_stopping is not None:
        callbacks.append(EarlyStopping(**recipe.early_stopping.model_dump()))
    return callbacks
