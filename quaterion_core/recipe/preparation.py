"""Preparation of a recipe: everything is checked, and built if that is cheap."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quaterion_core.components import Fault, build_component, plugin_faults
from quaterion_core.dataset.split_dataset import SplitDataset
from quaterion_core.model_folder import check_model_output
from quaterion_core.plugins import activate
from quaterion_core.plugins.lifecycle import Lifecycle
from quaterion_core.recipe.checking import ComponentCheck, check_components, monitors
from quaterion_core.recipe.faults import Faults, Place
from quaterion_core.recipe.paths import resolved
from quaterion_core.recipe.reading import RecipeLike, check_settings, open_recipe
from quaterion_core.recipe.settings import Recipe

if TYPE_CHECKING:
    from quaterion_core.recipe.trainer import RecipeTrainer


@dataclass(frozen=True)
class Preparation:
    """A checked recipe, with the objects that the check has built.

    Attributes:
        recipe: The recipe, with full ids and absolute paths.
        dataset: Its dataset.
        components: Its metrics, optimizer, schedule and batch sampler.
        lifecycle: Its plugins.
        trainer: Its trainer.
        output: The folder to save the model in, if any.
        overwrite: Whether to replace a model that is saved there.
        resume: Whether to continue an interrupted run.
    """

    recipe: Recipe
    dataset: SplitDataset
    components: ComponentCheck
    lifecycle: Lifecycle
    trainer: RecipeTrainer
    output: Path | None
    overwrite: bool
    resume: bool


def interrupted_run(output: Path) -> Path:
    """Return the path of the checkpoint of an interrupted run with a given ``output``.

    Example:
        >>> interrupted_run(Path("models/faq")).as_posix()
        'models/.faq.training/last.ckpt'
    """
    return output.parent / f".{output.name}.training" / "last.ckpt"


def prepare(
    recipe: RecipeLike,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    write: Callable[[str], object] = print,
    resume: bool = False,
) -> Preparation:
    """Check a recipe and everything it needs, and build what is cheap to build.

    Raises:
        RecipeError: The recipe cannot be run; the message lists all faults.
    """
    source = open_recipe(recipe)
    settings, found = check_settings(source)
    faults = Faults()
    faults.add(found)
    checked = check_components(source.content, found)
    faults.add(checked.faults)
    # Lightning takes seconds to import: for a recipe with other faults this is done only if
    # Lightning has to check some of its arguments.
    unfit: list[Fault] = []
    monitored = list(monitors(settings.model_dump(include={"early_stopping", "keep_best"})))
    if settings.trainer:
        from quaterion_core.recipe.trainer import callback_monitors, trainer_faults

        unfit = list(trainer_faults(settings.trainer, checked.metrics))
        faults.add(unfit)
        if not unfit:
            monitored += callback_monitors(settings.trainer)
    for number, plugin in enumerate(settings.plugins):
        faults.add(plugin_faults(plugin, ("plugins", number)))
    wrong = faults.keys
    settings = resolved(settings, settings.model_fields_set.intersection(source.content) - wrong)
    target = None if output is None else Path(output)
    if target is not None:
        with faults.at():
            _check_output(target, overwrite=overwrite)
            if resume and not interrupted_run(target).exists():
                raise ValueError(
                    f"There is no run to resume: {interrupted_run(target)} does not exist. Start "
                    "one without --resume."
                )
    if "data" not in wrong:
        with faults.at("data"):
            dataset = build_component("dataset", settings.data)
            _check_splits(settings, dataset, monitored, faults)
    if "plugins" not in wrong:
        with faults.at("plugins"):
            lifecycle = activate(settings.plugins, output=target)
    if not faults.found or settings.trainer:
        from quaterion_core.recipe.trainer import build_trainer

        if "plugins" not in faults.keys:
            # Faulty arguments are left out, to find further faults.
            fit = _without(settings, {fault.place[1] for fault in unfit})
            try:
                trainer = build_trainer(fit, lifecycle, checked.metrics, write, target)
            except Exception as error:  # Lightning may raise anything
                faults.add([_trainer_fault(fit.trainer, str(error))])
    if faults.found:
        raise source.error(faults.found)
    return Preparation(settings, dataset, checked, lifecycle, trainer, target, overwrite, resume)


def _trainer_fault(arguments: Mapping[str, Any], message: str) -> Fault:
    """Return an error of Lightning as a fault, at the argument that its message names, if any."""
    words = set(re.findall(r"\w+", message))
    named = [key for key in arguments if key in words]
    named += [key for key, value in arguments.items() if str(value) in words]
    if not named:
        return Fault(("trainer",), message)
    if named[0] == "accelerator":
        message = (
            "Expected an accelerator that PyTorch finds on this machine; leave 'accelerator' out "
            f"for the best one there is, or write cpu. Lightning says: {message}"
        )
    return Fault(("trainer", named[0]), f"{message.rstrip()} (got {arguments[named[0]]!r})")


def _without(recipe: Recipe, keys: Container[str | int]) -> Recipe:
    """Return a recipe without some arguments of the trainer."""
    rest = {key: value for key, value in recipe.trainer.items() if key not in keys}
    return recipe.model_copy(update={"trainer": rest})


def _check_splits(
    recipe: Recipe,
    dataset: SplitDataset,
    monitored: Iterable[tuple[Place, str]],
    faults: Faults,
) -> None:
    """Find splits that do not exist, or whose files do not, or that something monitors."""
    splits = {"train": recipe.splits.train, "validation": recipe.validation_split(dataset)}
    for key, split in {**splits, "reference": recipe.splits.reference}.items():
        if split is not None:
            with faults.at(*(("data",) if split in dataset.splits else ("splits", key))):
                dataset.check_source(split)
    for place, monitor in monitored if splits["validation"] is None else ():
        if not monitor.startswith("train_") and not monitor.endswith("_train"):
            with faults.at(*place):
                raise ValueError(
                    f"Expected a validation split to monitor {monitor!r} on, but the dataset "
                    "has none. Name one in 'splits', or monitor 'train_loss'."
                )


def _check_output(target: Path, *, overwrite: bool) -> None:
    """Check that an output folder can be written, and is new or empty."""
    check_model_output(target, overwrite=overwrite)
    existing = target.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise NotADirectoryError(f"Expected a folder for the model, got the file {existing}.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(
            f"Expected a writable output folder, got no permission to write in {existing}. Choose "
            "another output folder."
        )
