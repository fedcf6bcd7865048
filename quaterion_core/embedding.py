"""Embedding of many raw objects: in batches of similar length, in evaluation mode, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from quaterion_core.dataset.chunking import Chunking
from quaterion_core.dataset.similarity_samples import SimilarityGroupSample, SimilarityPairSample
from quaterion_core.encoders.encoder import Encoder, length_functions
from quaterion_core.utils.embedding_progress import embedded
from quaterion_core.utils.given import expected
from quaterion_core.utils.objects import as_part_of


def check_objects(objects: Sequence[Any]) -> None:
    """Refuse what is no raw object: nothing, a sample, a data loader.

    Raises:
        TypeError: There is a sample or a data loader.
        ValueError: There is ``None``.
    """
    for position, given in enumerate(objects):
        if given is None:
            raise ValueError(
                f"Expected raw objects, got None at position {position}. Leave it out."
            )
        if isinstance(given, (SimilarityPairSample, SimilarityGroupSample)):
            field = "obj" if isinstance(given, SimilarityGroupSample) else "obj_a"
            advice = f"Pass the objects of samples: [sample.{field} for sample in samples]."
            raise expected(f"object {position}", "a raw object", given, advice)
        if isinstance(given, DataLoader):
            raise expected("inputs", "raw objects", given, "Pass a list of objects.")


def embed_in_order(
    objects: list[Any],
    batch_size: int,
    encoders: Mapping[str, Encoder],
    embed: Callable[[list[Any]], Tensor],
) -> Tensor | None:
    """Embed objects batch by batch.

    Args:
        objects: n raw objects.
        batch_size: The most objects to embed at once.
        encoders: Encoders by key. Where one tells the lengths of objects, those of similar length
            are embedded together, so that little is padded.
        embed: Returns the embeddings (b, D) of a batch of b objects.

    Returns:
        Embeddings (n, D) in the order of the objects; ``None`` if there are no objects.
    """
    if not objects:
        return None
    # The objects of a single batch, such as a query that is served, need not be measured.
    lengths = length_functions(encoders) if len(objects) > batch_size else {}
    batches = Chunking(batch_size, lengths)(objects)
    embeddings = []
    for rows in batches:
        with as_part_of(rows):
            embeddings.append(embed([objects[row] for row in rows]))
        embedded(len(rows))
    return torch.cat(embeddings)[torch.tensor(list(chain.from_iterable(batches))).argsort()]


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Run a module in evaluation mode and without a graph, then put its parts back as they were."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def device_of(module: nn.Module) -> torch.device:
    """Return the device of a module's first parameter or buffer; the CPU if it has none."""
    held = chain(module.parameters(), module.buffers())
    return next((tensor.device for tensor in held), torch.device("cpu"))
