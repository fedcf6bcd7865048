"""The data that a command about a saved model works on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from quaterion_core.components import build_component
from quaterion_core.dataset.split_dataset import SplitDataset
from quaterion_core.recipe import Recipe, read_recipe

RECIPE_FILE: Final = "recipe.yaml"
"""The recipe that `quaterion fit` leaves in the folder of a model."""


def recipe_of(model: Path, recipe: Path | None) -> Recipe:
    """Read the recipe that the user gave, or else the one that lies in the model's folder.

    Raises:
        click.UsageError: There is neither.
    """
    path = recipe or model / RECIPE_FILE
    if recipe is None and not path.exists():
        raise click.UsageError(
            f"{model} was not trained by `quaterion fit`, so it does not say what its data are. "
            "Give --recipe."
        )
    return read_recipe(path)


def dataset_of(recipe: Recipe) -> SplitDataset:
    """Build the dataset of a recipe."""
    dataset: SplitDataset = build_component("dataset", recipe.data)
    return dataset
