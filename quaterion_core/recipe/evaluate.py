"""Evaluation of a saved model on the data of a recipe, or on new data, without Lightning."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from quaterion_core.components import (
    arguments_of,
    build_component,
    component_arguments,
    component_faults,
    split_choice,
)
from quaterion_core.dataset.beir_dataset import (
    CORPUS,
    QRELS,
    QUERIES,
    BeirDataset,
    is_beir_folder,
)
from quaterion_core.dataset.file_kinds import READERS, reader_of
from quaterion_core.dataset.similarity_samples import SimilarityPairSample
from quaterion_core.dataset.split_dataset import SplitDataset
from quaterion_core.eval.attached_metric import AttachedMetric
from quaterion_core.eval.metric_choices import attached_metrics
from quaterion_core.eval.statistics import Interval
from quaterion_core.model import SimilarityModel
from quaterion_core.plugins import registry
from quaterion_core.recipe.data import Evaluation, build_dataset, load_reference
from quaterion_core.recipe.faults import RecipeError
from quaterion_core.recipe.paths import resolved, spelled_out
from quaterion_core.recipe.query_results import QueryResults
from quaterion_core.recipe.reading import RecipeLike, open_recipe, parse_recipe
from quaterion_core.recipe.settings import Recipe
from quaterion_core.recipe.slices import (
    BY_GROUP,
    BY_LENGTH,
    BY_SEEN,
    Slice,
    column_labels,
    group_labels,
    length_labels,
    seen_labels,
    sliced,
)

RECIPE_FILE: Final = "recipe.yaml"
"""Name of the recipe in the folder of a model that was fitted from one."""

BEIR_METRICS: Final = ({"name": "ndcg", "k": 10}, {"name": "recall", "k": 100})
"""Metrics of BEIR folders by default: those that the benchmark reports."""


@dataclass(frozen=True)
class EvaluationResult:
    """The metrics of a model over a split.

    Attributes:
        metrics: Value by name.
        split: The split.
        samples: Number of its samples.
        reference: The split whose objects were searched; ``None`` for the same one.
        reference_samples: Number of samples of the reference; 0 without one.
        queries: Number of distinct queries that have a relevant object.
        intervals: 95 % bootstrap interval of each metric by name, ``None`` where it has none.
        slices: The metrics over parts of the queries, as asked for.
        results: Values of the individual queries, and what they find.
        dataset: The dataset.
    """

    metrics: dict[str, float]
    split: str
    samples: int
    reference: str | None = None
    reference_samples: int = 0
    queries: int = 0
    intervals: dict[str, Interval | None] = field(default_factory=dict)
    slices: list[Slice] = field(default_factory=list)
    results: QueryResults | None = field(default=None, repr=False, compare=False)
    dataset: SplitDataset | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the individual queries, as JSON values."""
        return {
            "split": self.split,
            "reference": self.reference,
            "samples": self.samples,
            "queries": self.queries,
            "metrics": self.metrics,
            "intervals": {
                name: None if interval is None else list(interval)
                for name, interval in self.intervals.items()
            },
            "slices": [row for part in self.slices for row in part.rows()],
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat dictionary for each metric, such as for a data frame."""
        rows = []
        for name, value in self.metrics.items():
            low, high = self.intervals.get(name) or (None, None)
            rows.append(
                {
                    "metric": name, "value": value, "low": low, "high": high,
                    "queries": self.queries, "split": self.split,
                }
            )  # fmt: skip
        return rows


def evaluate_recipe(
    model: SimilarityModel | str | os.PathLike[str],
    recipe: RecipeLike | None = None,
    *,
    data: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    metrics: Sequence[Any] | Mapping[str, Any] | None = None,
    split: str | None = None,
    reference: str | None = None,
    slices: Sequence[str] = (),
    nearest: int = 0,
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
        slices: What to divide the queries by, for metrics over parts of them: ``group`` (for pairs
            the subgroup), ``length``, ``seen`` (groups that training has seen), or a column of the
            data.
        nearest: Number of nearest candidates of each query to keep in the result; 0 for none.

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
    labels = _slice_labels(slices, given)
    if not isinstance(model, SimilarityModel):
        model = SimilarityModel.load(Path(model))
    result = evaluated(model, given, nearest)
    assert result.results is not None
    for by, label in labels.items():
        result.slices.extend(sliced(result.results, by, label(result.results)))
    return result


def evaluated(model: SimilarityModel, given: EvaluationData, nearest: int = 0) -> EvaluationResult:
    """Compute the metrics of a model over data that are already loaded.

    Args:
        model: The model.
        given: The data and the metrics.
        nearest: Number of nearest candidates of each query to keep in the result; 0 for none.
    """
    results = Evaluation(given.samples, given.metrics, given.candidates).results(model, nearest)
    return EvaluationResult(
        results.figures,
        given.split,
        len(given.samples),
        given.reference,
        len(given.candidates or ()),
        results.answered,
        results.intervals,
        results=results,
        dataset=given.dataset,
    )


@dataclass(frozen=True)
class EvaluationSamples:
    """The samples that a model is evaluated on.

    Attributes:
        recipe: The recipe that names data and metrics, if there is one.
        dataset: The dataset.
        split: Name of the split.
        samples: Its samples, at least one.
        reference: Name of the split whose objects are searched; ``None`` for the same one.
        candidates: Samples of the reference; ``None`` without one.
    """

    recipe: Recipe | None
    dataset: SplitDataset
    split: str
    samples: Sequence[Any]
    reference: str | None
    candidates: Sequence[Any] | None


@dataclass(frozen=True)
class EvaluationData(EvaluationSamples):
    """What a model is evaluated on.

    Attributes:
        metrics: The metrics, at least one.
    """

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
    settings, dataset, given = _source(model, recipe, data, columns)
    chosen = settings.metrics if metrics is None and settings is not None else metrics
    if not chosen and isinstance(dataset, BeirDataset):
        chosen = BEIR_METRICS
    if not chosen:
        raise ValueError(
            "There are no metrics to compute: the recipe names none. Pass some, such as "
            "'retrieval-precision' for pairs or 'retrieval-r-precision' for groups."
        )
    attached = attached_metrics(chosen)
    samples = _samples(settings, dataset, given if split is None else split, data, reference)
    return EvaluationData(**vars(samples), metrics=attached)


def evaluation_samples(
    model: SimilarityModel | str | os.PathLike[str],
    recipe: RecipeLike | None = None,
    *,
    data: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    split: str | None = None,
    reference: str | None = None,
) -> EvaluationSamples:
    """Load the samples that :func:`evaluate_recipe` evaluates a model on, without metrics.

    Raises:
        RecipeError: There is no recipe, or it is invalid.
        FileNotFoundError: The data do not exist.
        ValueError: There are no samples, or no such split.
    """
    settings, dataset, given = _source(model, recipe, data, columns)
    return _samples(settings, dataset, given if split is None else split, data, reference)


def _source(
    model: SimilarityModel | str | os.PathLike[str],
    recipe: RecipeLike | None,
    data: str | os.PathLike[str] | Mapping[str, Any] | None,
    columns: Mapping[str, Any] | None,
) -> tuple[Recipe | None, SplitDataset, str | None]:
    """Return the recipe, the dataset, and the split of a given file."""
    is_beir = isinstance(data, (str, os.PathLike)) and is_beir_folder(Path(data))
    is_described = data is not None and (columns is not None or is_beir)
    settings = _recipe_for(model, recipe, needed=not is_described)
    return settings, *_dataset(settings, data, columns)


def _samples(
    settings: Recipe | None,
    dataset: SplitDataset,
    split: str | None,
    data: str | os.PathLike[str] | Mapping[str, Any] | None,
    reference: str | None,
) -> EvaluationSamples:
    name = split or _default_split(settings, dataset)
    if reference is None and settings is not None:
        stated = settings.splits.reference
        reference = stated if data is None or stated in dataset.splits else None
    samples = dataset.load(name)
    if not samples:
        raise ValueError(f"The split {name!r} has no samples.")
    candidates = load_reference(dataset, reference, {name: samples})
    return EvaluationSamples(settings, dataset, name, samples, reference, candidates)


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


def _slice_labels(
    slices: Sequence[str], given: EvaluationData
) -> dict[str, Callable[[QueryResults], list[str]]]:
    """Return a function that labels queries, for each way to divide them.

    Data are read here, so that errors come before a model is loaded.

    Raises:
        ValueError: The data have no such column, or there is no training split.
    """
    labels: dict[str, Callable[[QueryResults], list[str]]] = {}
    for by in dict.fromkeys(slices):
        if by == BY_GROUP:
            labels[by] = partial(group_labels, samples=given.samples)
        elif by == BY_LENGTH:
            labels[by] = length_labels
        elif by == BY_SEEN:
            if given.recipe is None or given.recipe.splits.train not in given.dataset.splits:
                raise ValueError(
                    "Expected a recipe with a training split to tell which groups training has "
                    "seen, got none."
                )
            training = given.dataset.load(given.recipe.splits.train)
            labels[by] = partial(seen_labels, samples=given.samples, training=training)
        else:
            found = _with_column(given, by).load(given.split)
            labels[by] = partial(column_labels, samples=given.samples, with_column=found)
    return labels


def _with_column(given: EvaluationData, column: str) -> SplitDataset:
    """Return a dataset of the same samples with a column as their group or subgroup.

    Raises:
        ValueError: The dataset has no columns.
    """
    dataset = given.dataset
    is_pairs = isinstance(given.samples[0], SimilarityPairSample)
    argument = "subgroup" if is_pairs else "group"
    if argument not in arguments_of(type(dataset)):
        raise ValueError(
            f"Expected one of {BY_GROUP}, {BY_LENGTH}, {BY_SEEN} to divide queries by, got "
            f"{column!r}: {type(dataset).__name__} does not read columns."
        )
    return type(dataset).from_config({**dataset.get_config_dict(), argument: column})


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
    if is_beir_folder(path):
        folder = BeirDataset(path)
        return folder, folder.splits[0]
    if path.is_dir():
        raise ValueError(
            f"Expected a file, or a folder with {CORPUS}, {QUERIES} and {QRELS}/SPLIT.tsv, got the "
            f"folder {path}."
        )
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    if columns is not None:
        choice = {"name": reader_of(path), "files": {path.name: str(path)}, **columns}
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
        reader = reader_of(path) if own_id in READERS.values() else own_id
        others = given["files"] if reader == own_id else {}  # a reader reads files of one kind
        return {**given, "name": reader, "files": {**others, path.name: str(path)}}
    for key, kind in component_arguments(cls).items():
        if kind == "dataset":
            return {"name": name, **given, key: _with_file(given[key], path)}
    raise ValueError(
        f"The dataset {name!r} of the recipe does not read files. Say which columns of {path.name} "
        "to read, such as columns={'obj_a': 'question', 'obj_b': 'answer'}."
    )


def _default_split(settings: Recipe | None, dataset: SplitDataset) -> str:
    if settings is None:
        return dataset.splits[0]
    return settings.validation_split(dataset) or settings.splits.train
