"""From a model, and what it is evaluated on, to the data of its page."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from quaterion_core import SimilarityModel
from quaterion_core.embedding import device_of
from quaterion_core.eval import GroupMetric, PairMetric
from quaterion_core.eval.metric_choices import attached_metrics
from quaterion_core.recipe.evaluate import RECIPE_FILE, evaluation_data, recipe_of
from quaterion_core.recipe.reading import RecipeLike, open_recipe, parse_recipe
from quaterion_core.recipe.untouched import untouched_model
from quaterion_core.storage import whole_file
from quaterion_report.corpus import Corpus
from quaterion_report.figures import Figures
from quaterion_report.gathering import PCA, UMAP, Evaluated, evaluated, page_data
from quaterion_report.projection import check_umap
from quaterion_report.report_data import MODEL, OTHER, UNTOUCHED, ReportData, SystemKey
from quaterion_report.run_facts import run_of

DATA_FILE: Final = "report_page.json"
"""Name of the data of a page in the folder of a model, which ``fit`` writes."""

MOST_BYTES: Final = 16_000_000
_LONGEST_REASON: Final = 500
_EVALUATE_AGAIN: Final = "Evaluate the model again with --fresh."

_ANY_METRIC: Final = ("retrieval-precision",)
_USUAL_METRICS: Final = {
    PairMetric: [{"name": "retrieval-precision", "k": 1}, "retrieval-reciprocal-rank"],
    GroupMetric: [{"name": "recall-at-k", "k": 1}, "map-at-r"],
}
"""Metrics where neither the caller nor the recipe names any."""

MAP_METHODS: Final = {"pca": PCA, "umap": UMAP}


@dataclass(frozen=True)
class Gathered:
    """The data of a page, and the embeddings behind them.

    Attributes:
        data: The data.
        corpus: The objects that were evaluated.
        systems: What each system has found, by key.
    """

    data: ReportData
    corpus: Corpus
    systems: Mapping[SystemKey, Evaluated]


def gather(
    model: str | os.PathLike[str],
    recipe: RecipeLike | None = None,
    *,
    compare: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    metrics: Sequence[Any] | Mapping[str, Any] | None = None,
    split: str | None = None,
    reference: str | None = None,
    map_method: str = "pca",
    loaded: SimilarityModel | None = None,
) -> Gathered:
    """Evaluate a model, its untouched encoder and another model for a page.

    Args:
        model: The folder of the model.
        recipe: A recipe that names data and metrics; by default the one that the model was fitted
            from.
        compare: The folder of another model to compare it with.
        data: What to evaluate on instead; this and the following are as for
            :func:`quaterion_core.evaluate_recipe`.
        columns: Columns of the file.
        metrics: Metrics; by default those of the recipe or, if it names none, usual ones.
        split: The split to evaluate on.
        reference: For group samples, the split whose objects are searched.
        map_method: ``pca`` or ``umap``.
        loaded: The model, if it is loaded already.

    Raises:
        RecipeError: There is no recipe, or it is invalid.
        FileNotFoundError: The data do not exist.
        ImportError: The map needs a package that is not installed.
        ValueError: There are no samples, or there is no such split or map.
    """
    if map_method not in MAP_METHODS:
        raise ValueError(f"Expected map_method to be 'pca' or 'umap', got {map_method!r}.")
    if map_method == "umap":
        check_umap()
    folder = Path(model)
    given = evaluation_data(
        folder,
        recipe,
        data=data,
        columns=columns,
        metrics=metrics or _stated_metrics(folder, recipe) or _ANY_METRIC,
        split=split,
        reference=reference,
    )
    corpus = Corpus.of(given.samples, given.candidates)
    chosen = given.metrics
    if not (metrics or _stated_metrics(folder, recipe)):
        chosen = attached_metrics(_USUAL_METRICS[corpus.metric_type])
    notes: list[str] = []
    if given.recipe is not None and given.split == given.recipe.splits.train:
        notes.append("The model was trained on these data: on others its figures are lower.")
    systems: dict[SystemKey, tuple[str, SimilarityModel]] = {
        MODEL: (_name_of(folder), loaded or SimilarityModel.load(folder))
    }
    untouched = _untouched(folder, systems[MODEL][1], notes)
    if untouched is not None:
        systems[UNTOUCHED] = ("untouched encoder", untouched)
    if compare is not None:
        name = _name_of(Path(compare))
        if name == systems[MODEL][0]:
            name = str(compare)
        systems[OTHER] = (name, SimilarityModel.load(Path(compare)))
    found = evaluated(corpus, systems, chosen[0].metric.distance_metric_name)
    figures = Figures(corpus, found, replace(given, metrics=chosen))
    searched = given.split if given.reference is None else f"{given.split} among {given.reference}"
    result = page_data(
        corpus,
        found,
        title=_name_of(folder),
        split=searched,
        map_method=MAP_METHODS[map_method],
        run=run_of(folder),
        notes=notes,
        metrics=figures.metrics(),
        slices=figures.slices(),
    )
    return Gathered(result, corpus, found)


def save_data(folder: Path, model: SimilarityModel) -> None:
    """Evaluate a model that was saved from a recipe, and save the data of its page beside it.

    Args:
        folder: The folder of the model.
        model: The model.

    Raises:
        ValueError: There is nothing to evaluate on.
    """
    data = gather(folder, loaded=model).data
    with whole_file(folder / DATA_FILE) as stream:
        stream.write(data.to_json().encode())


def saved_data(folder: Path) -> ReportData | None:
    """Return the data of the page that were saved with a model; ``None`` if there are none.

    Raises:
        ValueError: The file is not what :func:`save_data` writes, or was written by another
            version.
    """
    path = folder / DATA_FILE
    if not path.is_file():
        return None
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"Expected {path} to have up to {MOST_BYTES:,} bytes. {_EVALUATE_AGAIN}")
    try:
        return ReportData.from_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error} {_EVALUATE_AGAIN}") from error


def _stated_metrics(folder: Path, recipe: RecipeLike | None) -> Any:
    """Return the metrics of the recipe that the model is evaluated with, if there is one."""
    if recipe is None and not (folder / RECIPE_FILE).exists():
        return None
    stated = recipe_of(folder) if recipe is None else parse_recipe(open_recipe(recipe))
    return stated.metrics


def _name_of(folder: Path) -> str:
    return folder.absolute().name or str(folder)


def _untouched(folder: Path, model: SimilarityModel, notes: list[str]) -> SimilarityModel | None:
    """Return the untouched encoders; without them, the notes get the reason."""
    if not (folder / RECIPE_FILE).exists() and any(e.trainable for e in model.encoders.values()):
        notes.append("The untouched encoder is unknown: the model was not fitted from a recipe.")
        return None
    try:
        recipe = recipe_of(folder) if (folder / RECIPE_FILE).exists() else None
        return untouched_model(model, recipe).to(device_of(model))
    except Exception as error:  # a component may raise anything when it is built
        reason = textwrap.shorten(str(error), _LONGEST_REASON)
        notes.append(f"The untouched encoder could not be built: {reason}")
        return None
