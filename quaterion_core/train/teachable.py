"""Check before the first epoch that a loss has a gradient for the training samples."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import torch
from torch import Tensor

from quaterion_core.dataset.similarity_data_loader import SimilarityDataLoader
from quaterion_core.dataset.targets import stable_id
from quaterion_core.loss.similarity_loss import SimilarityLoss
from quaterion_core.train.errors import NothingToLearnError
from quaterion_core.types import Targets

_SAMPLES: Final = 256
"""Number of samples that are tried at once."""


def check_teachable(
    loss: SimilarityLoss,
    embedding_size: int,
    loader: SimilarityDataLoader[Any],
    batch_size: int | None,
) -> None:
    """Check that a loss has a gradient for some embeddings of the samples of a list.

    Random embeddings are tried with the targets of samples that are chosen to include positives
    and negatives, if there are any. Other datasets, whose samples may be costly to read, are
    checked in the first epoch.

    Args:
        loss: The loss, which is not changed.
        embedding_size: Size D of the model's embeddings.
        loader: The training data.
        batch_size: Maximum number of samples that are compared with each other; ``None`` for no
            limit.

    Raises:
        NothingToLearnError: All gradients are zero.
    """
    samples = loader.dataset
    if not isinstance(samples, (list, tuple)) or "collate_fn" in loader.original_params:
        return
    loader.check_samples(samples)

    def learns(part: list[Any]) -> bool:
        _, targets = loader.pre_collate_fn(part)
        return _has_gradient(loss, embedding_size, targets)

    chosen = random.Random(0).sample(list(samples), min(len(samples), _SAMPLES))
    if not _tried(learns, chosen) and not _tried(learns, _telling(samples)):
        raise NothingToLearnError(f"{_reason(samples, loss)} No weight would ever change.")
    if batch_size == 1 and not any(_tried(learns, [sample]) for sample in chosen[:16]):
        raise NothingToLearnError(
            f"{type(loss).__name__} compares the samples of a batch with each other, but each "
            "batch has a single one, so no weight would ever change. Give the loader a batch_size "
            "of 2 or more; 32 to 256 are usual."
        )


def _tried(learns: Callable[[list[Any]], bool], samples: list[Any]) -> bool:
    """Whether samples have a gradient; a loss that raises an error will do so in training."""
    try:
        return learns(samples)
    except Exception:
        return True


def _has_gradient(loss: SimilarityLoss, size: int, targets: Targets) -> bool:
    """Whether any of a few random embeddings has a nonzero gradient."""
    objects = len(targets["groups"]) if "groups" in targets else len(targets["subgroups"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for embeddings in _drawn(objects, size):
            tried = copy.deepcopy(loss).cpu()
            value = tried.batch_loss(embeddings.requires_grad_(), targets)
            if not value.requires_grad:
                continue
            torch.autograd.backward(value)
            gradients = [embeddings.grad, *(parameter.grad for parameter in tried.parameters())]
            if any(gradient is not None and bool(gradient.any()) for gradient in gradients):
                return True
    return False


def _drawn(count: int, size: int) -> Iterator[Tensor]:
    """Draw embeddings in all directions, and clustered ones closer together than any margin."""
    yield torch.randn(count, size)
    yield 1 + 0.1 * torch.randn(count, size)


def _telling(samples: Any) -> list[Any]:
    """Choose samples that include positives, negatives and distinct scores, if there are any."""
    if hasattr(samples[0], "group"):
        rows: dict[int, list[int]] = {}
        for row, sample in enumerate(samples):
            rows.setdefault(stable_id(sample.group), []).append(row)
        largest = sorted(rows.values(), key=len, reverse=True)[: _SAMPLES // 8]
        return [samples[row] for group in largest for row in group[:8]]
    ordered = sorted(range(len(samples)), key=lambda row: samples[row].score)
    chosen = {*ordered[: _SAMPLES // 2], *ordered[-_SAMPLES // 2 :]}
    return [samples[row] for row in sorted(chosen)]


def _reason(samples: Any, loss: SimilarityLoss) -> str:
    """Return what the samples lack."""
    name = type(loss).__name__
    if hasattr(samples[0], "group"):
        sizes = Counter(stable_id(sample.group) for sample in samples)
        if len(sizes) == 1:
            return (
                f"All {len(samples)} training samples are of one group, so {name} has nothing to "
                "separate. Provide samples of two groups or more."
            )
        if max(sizes.values()) == 1:
            return (
                f"Each of the {len(samples)} groups of the training data has a single sample, so "
                f"{name} has no positive pairs. Provide groups of two samples or more."
            )
    else:
        scores = {float(sample.score) for sample in samples}
        if scores == {0.0}:
            return (
                f"All {len(samples)} training pairs have the score 0, so {name} has no positive "
                "pairs. Provide pairs with a positive score, or use another loss."
            )
        subgroups = {sample.subgroup for sample in samples}
        if len(subgroups) == 1 and len(samples) > 1 and samples[0].subgroup is not None:
            return (
                f"All {len(samples)} training pairs are of the subgroup {samples[0].subgroup!r}, "
                f"so {name} has no negatives, since objects of one subgroup are not negatives of "
                "each other. Leave the subgroup out for unrelated pairs."
            )
        if len(samples) == 1:
            return f"There is a single training pair, but {name} compares pairs with each other."
    return (
        f"{name} has no gradient for any of the training samples that were tried. Check its "
        "arguments, such as a scale or a weight of 0."
    )
