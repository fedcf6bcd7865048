"""Evaluation of a saved model on the data of a recipe, or on new data, without Lightning."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from quaterion_core.components import (
    arguments_of,
    build_component,
    component_arguments,
    component_faults,
    split_choice,
)
from quaterion_core.dataset.split_dataset import SplitDataset
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.metric_choices import attached_metrics
from quaterion_core.model import SimilarityModel
from quaterion_core.plugins import registry
from quaterion_core.recipe.data import Evaluation, build_dataset, load_reference
from quaterion_core.recipe.faults import RecipeError
from quaterion_core.recipe.paths import resolved, spelled_out
from quaterion_core.recipe.reading import RecipeLike, open_recipe, parse_recipe
from quaterion_core.recipe.settings import Recipe

RECIPE_FILE: Final = "recipe.yaml"
"""Name of the recipe in the folder of a model that was fitted from one."""

READERS: Final = {
    ".csv": "quaterion-core/csv",
    ".tsv": "quaterion-core/csv",
    ".xlsx": "quaterion-core/excel",
    ".json": "quaterion-core/jsonl",
    ".jsonl": "quaterion-core/jsonl",
    ".ndjson": "quaterion-core/jsonl",
    ".parquet": "quaterion-core/parquet",
}
"""Datasets that read files, by suffix of the file."""

_COMPRESSED: Final = (".gz", ".bz2", ".xz", ".zst")
"""Suffixes of compressed files, which follow that of the text file."""


@dataclass(frozen=True)
class EvaluationResult:
    """The metrics of a model over a split.

    Attributes:
        metrics: Value by name.
        split: The split.
        samples: Number of its samples.
        reference: The split whose objects were searched; ``None`` for the same one.
        reference_samples: Number of samples of the reference; 0 without one.
    """

    metrics: dict[str, float]
    split: str
    samples: int
    reference: str | None = None
    reference_samples: int = 0


def evaluate_recipe(
    model: SimilarityModel | str | os.PathLike[str],
    recipe: RecipeLike | None = None,
    *,
    data: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    metrics: Sequence[Any] | Mapping[str, Any] | None = None,
    split: str | None = None,
    reference: str | None = None,
) -> EvaluationResult:
    """Compute the metrics of a model over a split of a dataset.

    Args:
        model: A model, or the folder that it is saved in.
        recipe: A recipe that names data and metrics; by default the one that the model was
            fitted from.
        data: A file to evaluate on instead, which is read with the settings of the recipe; or a
            dataset, chosen as in a recipe.
        columns: The columns of the file, such as ``{"obj": "text", "group": "intent"}``; by
            default those of the recipe.
        metrics: Metrics, chosen as in a recipe; by default those of the recipe.
        split: The split to evaluate on; by default the given file, or else the validation split of
            the recipe.
        reference: For group samples, the split whose objects are searched; by default the
            recipe's, or else the evaluated split itself.

    Raises:
        RecipeError: There is no recipe, or it is invalid.
        FileNotFoundError: The data do not exist.
        ValueError: There are no metrics or no samples, or no such split.
    """
    given = evaluation_data(
        model,
        recipe,
        data=data,
        columns=columns,
        metrics=metrics,
        split=split,
        reference=reference,
    )
    evaluation = Evaluation(given.samples, given.metrics, given.candidates)
    if not isinstance(model, SimilarityModel):
        model = SimilarityModel.load(Path(model))
    return EvaluationResult(
        evaluation.evaluate(model),
        given.split,
        len(given.samples),
        given.reference,
        len(given.candidates or ()),
    )


@dataclass(frozen=True)
class EvaluationData:
    """What a model is evaluated on.

    Attributes:
        recipe: The recipe that names data and metrics, if there is one.
        dataset: The dataset.
        split: Name of the split.
        samples: Its samples, at least one.
        reference: Name of the split whose objects are searched; ``None`` for the same one.
        candidates: Samples of the reference; ``None`` without one.
        metrics: The metrics, at least one.
    """

    recipe: Recipe | None
    dataset: SplitDataset
    split: str
    samples: Sequence[Any]
    reference: str | None
    candidates: Sequence[Any] | None
    metrics: list[AttachedMetric]


def evaluation_data(
    model: SimilarityModel | str | os.PathLike[str],
    recipe: RecipeLike | None = None,
    *,
    data: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    metrics: Sequence[Any] | Mapping[str, Any] | None = None,
    split: str | None = None,
    reference: str | None = None,
) -> EvaluationData:
    """Load what :func:`evaluate_recipe` evaluates a model on, with the same arguments.

    Raises:
        RecipeError: There is no recipe, or it is invalid.
        FileNotFoundError: The data do not exist.
        ValueError: There are no metrics or no samples, or no such split.
    """
    settings = _recipe_for(model, recipe, needed=data is None or columns is None)
    dataset, given = _dataset(settings, data, columns)
    chosen = settings.metrics if metrics is None and settings is not None else metrics
    if not chosen:
        raise ValueError(
            "There are no metrics to compute: the recipe names none. Pass some, such as "
            "'retrieval-precision' for pairs or 'retrieval-r-precision' for groups."
        )
    attached = attached_metrics(chosen)
    name = split or given or _default_split(settings, dataset)
    if reference is None and settings is not None:
        stated = settings.splits.reference
        reference = stated if data is None or stated in dataset.splits else None
    samples = dataset.load(name)
    if not samples:
        raise ValueError(f"The split {name!r} has no samples.")
    candidates = load_reference(dataset, reference, {name: samples})
    return EvaluationData(settings, dataset, name, samples, reference, candidates, attached)


def recipe_of(model: str | os.PathLike[str]) -> Recipe:
    """Read the recipe in the folder of a model, without resolving its components.

    Raises:
        RecipeError: There is no recipe, or it is invalid.
    """
    path = Path(model) / RECIPE_FILE
    if not path.exists():
        raise RecipeError(
            f"{model} has no {RECIPE_FILE}: the model was not fitted from a recipe, so its data "
            "are not known. Give --recipe, or data, columns and metrics."
        )
    return parse_recipe(open_recipe(path))


def dataset_of(recipe: Recipe) -> SplitDataset:
    """Check and build only the dataset of a recipe.

    Raises:
        RecipeError: The choice of the dataset is invalid.
        FileNotFoundError: Its data do not exist.
    """
    faults = list(component_faults("dataset", recipe.data, ("data",)))
    if faults:
        raise open_recipe(recipe).error(faults)
    dataset, _ = _dataset(recipe, None, None)
    return dataset


def _recipe_for(
    model: SimilarityModel | str | os.PathLike[str], recipe: RecipeLike | None, *, needed: bool
) -> Recipe | None:
    if recipe is not None:
        return recipe if isinstance(recipe, Recipe) else parse_recipe(open_recipe(recipe))
    if isinstance(model, SimilarityModel):
        if needed:
            raise RecipeError("Give a recipe, or data and columns: a model alone has no data.")
        return None
    if not needed and not (Path(model) / RECIPE_FILE).exists():
        return None
    return recipe_of(model)


def _dataset(
    settings: Recipe | None,
    data: str | os.PathLike[str] | Mapping[str, Any] | None,
    columns: Mapping[str, Any] | None,
) -> tuple[SplitDataset, str | None]:
    """Build the dataset to evaluate on; return it with the split of a given file."""
    if isinstance(data, Mapping):
        return build_component("dataset", spelled_out("dataset", data, Path.cwd())), None
    if data is None:
        if settings is None:
            raise RecipeError("Give a recipe, or data.")
        return build_dataset(settings), None
    path = Path(data).absolute()
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    if columns is not None:
        choice = {"name": _reader_of(path), "files": {path.name: str(path)}, **columns}
    elif settings is None:
        raise RecipeError("Give a recipe, or the columns of the file.")
    else:
        choice = _with_file(resolved(settings, ["data"]).data, path)
    return build_component("dataset", choice), path.name


def _with_file(choice: Any, path: Path) -> Any:
    """Add a file to the dataset of a recipe as a new split, which is read like the others.

    Raises:
        ValueError: The dataset does not read files.
    """
    name, given = split_choice("dataset", choice)
    cls = registry.load("dataset", name)
    if "files" in arguments_of(cls):
        own_id = registry.find("dataset", name).id
        reader = _reader_of(path) if own_id in READERS.values() else own_id
        others = given["files"] if reader == own_id else {}  # a reader reads files of one kind
        return {**given, "name": reader, "files": {**others, path.name: str(path)}}
    for key, kind in component_arguments(cls).items():
        if kind == "dataset":
            return {"name": name, **given, key: _with_file(given[key], path)}
    raise ValueError(
        f"The dataset {name!r} of the recipe does not read files. Say which columns of {path.name} "
        "to read, such as columns={'obj_a': 'question', 'obj_b': 'answer'}."
    )


def _reader_of(path: Path) -> str:
    """Return the dataset that reads a file, by its suffix."""
    suffix = next((s for s in reversed(path.suffixes) if s not in _COMPRESSED), "").lower()
    if suffix not in READERS:
        raise ValueError(
            f"Expected a file that ends with {', '.join(READERS)}, got {path.name!r}. Choose the "
            "dataset that reads it: {'name': ..., 'files': ...}."
        )
    return READERS[suffix]


def _default_split(settings: Recipe | None, dataset: SplitDataset) -> str:
    if settings is None:
        return dataset.splits[0]
    return settings.validation_split(dataset) or settings.splits.train
