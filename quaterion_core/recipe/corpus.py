"""The corpus of a recipe: what a model that was trained with it searches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quaterion_core.dataset.missing import is_missing
from quaterion_core.dataset.object_files import FileObject
from quaterion_core.dataset.similarity_samples import SimilarityPairSample
from quaterion_core.recipe.evaluate import dataset_of, recipe_of
from quaterion_core.recipe.reading import open_recipe, parse_recipe


def corpus_of(model: Path, recipe: Path | None = None) -> Iterator[FileObject]:
    """Yield the objects of the dataset that a model was trained on, equal ones more than once.

    They are the second objects of pairs, or the objects of groups, whose group is a field.

    Args:
        model: The folder of the model.
        recipe: The recipe, if it is not the one that the model was trained with.

    Raises:
        RecipeError: There is no recipe, or its dataset is invalid.
        FileNotFoundError: The data do not exist.
    """
    settings = recipe_of(model) if recipe is None else parse_recipe(open_recipe(recipe))
    dataset = dataset_of(settings)
    for split in dataset.splits:
        for sample in dataset.load(split):
            if isinstance(sample, SimilarityPairSample):
                yield FileObject(sample.obj_b, fields=_fields("subgroup", sample.subgroup))
            else:
                yield FileObject(sample.obj, fields=_fields("group", sample.group))


def _fields(name: str, value: Any) -> dict[str, Any]:
    if is_missing(value):
        return {}
    return {name: value if isinstance(value, (str, int, float, bool)) else str(value)}
