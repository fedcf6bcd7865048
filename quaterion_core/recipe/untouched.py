"""The encoders of a model as they were before training, without its head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch

from quaterion_core.components import build_component
from quaterion_core.dataset.similarity_data_loader import loader_for
from quaterion_core.encoders import Encoder
from quaterion_core.heads import EmptyHead
from quaterion_core.model import DEFAULT_ENCODER_KEY, SimilarityModel
from quaterion_core.recipe.data import build_dataset
from quaterion_core.recipe.paths import resolved
from quaterion_core.recipe.settings import Recipe
from quaterion_core.utils.items import LazyItems
from quaterion_core.utils.provenance import from_folder


def untouched_model(model: SimilarityModel, recipe: Recipe | None) -> SimilarityModel:
    """Return a model of the untouched encoders.

    A frozen encoder has not changed, so it is the one of the model. A trainable one is built anew,
    with the seed of the recipe; it may learn from the training split before training, such as its
    vocabulary.

    Args:
        model: The trained model.
        recipe: The recipe that it was trained with; needed if an encoder is trainable.

    Raises:
        Exception: An encoder cannot be built, such as one whose weights are on the network.
    """
    encoders = dict(model.encoders)
    trained = [key for key, encoder in encoders.items() if encoder.trainable]
    if trained:
        assert recipe is not None
        encoders |= _built_anew(recipe, trained)
    size = SimilarityModel.get_encoders_output_size(encoders)
    return SimilarityModel(encoders, EmptyHead(size)).eval()


def _built_anew(recipe: Recipe, keys: Iterable[str]) -> dict[str, Encoder]:
    chosen = resolved(recipe, ["encoders" if recipe.encoders else "encoder"])
    choices: dict[str, Any] = {DEFAULT_ENCODER_KEY: chosen.encoder, **(chosen.encoders or {})}

    def objects() -> Iterator[Any]:
        samples = build_dataset(recipe).load(recipe.splits.train)
        return iter(loader_for(samples[0]).pre_collate_fn(list(samples))[0])

    # The recipe may be that of a model folder.
    with torch.random.fork_rng(devices=[]), from_folder():
        torch.manual_seed(recipe.seed)
        return {
            key: build_component("encoder", choices[key], objects=LazyItems(objects))
            for key in keys
        }
