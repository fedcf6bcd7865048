"""Pooling of token embeddings in a sentence-transformers model."""

from __future__ import annotations

from collections.abc import Sequence

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, LayerNorm, Pooling


def replace_pooling(model: SentenceTransformer, pooling: str | Sequence[str]) -> None:
    """Replace the pooling of a model in place; whether it includes the prompt is not changed.

    Args:
        model: A model with one ``Pooling`` module.
        pooling: One of ``Pooling.POOLING_MODES`` or several, whose results are concatenated.

    Raises:
        ValueError: The model does not have one ``Pooling``, or a module after it
            takes embeddings of another size.
    """
    modes = tuple(pooling) if isinstance(pooling, (list, tuple)) else (pooling,)
    modules = list(model)
    places = [place for place, module in enumerate(modules) if isinstance(module, Pooling)]
    if len(places) != 1:
        raise ValueError(
            f"Expected a model with one Pooling module for pooling=..., got {len(places)}: its "
            f"modules are {', '.join(type(module).__name__ for module in modules)}."
        )
    (place,) = places
    old = modules[place]
    new = Pooling(old.embedding_dimension, modes, include_prompt=old.include_prompt)
    size = new.get_embedding_dimension()
    for module in modules[place + 1 :]:
        if not isinstance(module, (Dense, LayerNorm)):
            continue
        takes = module.in_features if isinstance(module, Dense) else module.dimension
        if takes != size:
            raise ValueError(
                f"pooling={pooling!r} makes embeddings of size {size}, but the model's "
                f"{type(module).__name__} after it takes {takes}. Choose modes that make {takes}, "
                "or a model without it; a head of Quaterion can take its place."
            )
        break
    model[place] = new
