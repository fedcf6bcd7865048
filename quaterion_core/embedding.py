"""What embedding raw objects takes: objects that are some, and a model in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from quaterion_core.dataset.similarity_samples import SimilarityGroupSample, SimilarityPairSample
from quaterion_core.utils.given import expected


def check_object(position: int, given: Any) -> None:
    """Refuse what is no raw object: nothing, a sample, a data loader.

    Raises:
        TypeError: It is a sample or a data loader.
        ValueError: It is ``None``.
    """
    if given is None:
        raise ValueError(f"Expected raw objects, got None at position {position}. Leave it out.")
    if isinstance(given, (SimilarityPairSample, SimilarityGroupSample)):
        field = "obj" if isinstance(given, SimilarityGroupSample) else "obj_a"
        advice = f"Pass the objects of samples: [sample.{field} for sample in samples]."
        raise expected(f"object {position}", "a raw object", given, advice)
    if isinstance(given, DataLoader):
        raise expected("inputs", "raw objects", given, "Pass a list of objects.")


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Run a module in evaluation mode and without a graph, then put its parts back as they were."""
    is_training = any(part.training for part in _parts_of(module))
    if is_training:
        modes = {part: part.training for part in module.modules()}
        module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        if is_training:
            for part, mode in modes.items():
                part.training = mode


def _parts_of(module: nn.Module) -> Iterator[nn.Module]:
    """Yield all modules below one, as its ``modules()`` does in several times as long.

    For a single query that would be a noticeable part of the time.
    """
    found = [module]
    while found:
        part = found.pop()
        yield part
        found += [child for child in part._modules.values() if child is not None]


def device_of(module: nn.Module) -> torch.device:
    """Return the device of a module's first parameter or buffer; the CPU if it has none."""
    held = chain(module.parameters(), module.buffers())
    return next((tensor.device for tensor in held), torch.device("cpu"))
