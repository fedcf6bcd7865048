"""Batches with which losses and metrics are checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.types import Targets

GROUPS: Final = 4
"""Number of groups in a batch; a loss with per-group weights must have at least as many."""

_LARGE_IDS: Final = (-(2**63) + 1, -7_046_029_254_386_353_131, 2**53, 2**53 + 1)
"""Replacements for the ids 0 to 3, in the same order, indistinguishable as float32 and float64."""


@dataclass(frozen=True)
class Batch:
    """Embeddings, shape (N, D), with their targets."""

    embeddings: Tensor
    targets: Targets

    @classmethod
    def of_groups(cls, embeddings: Tensor, groups: Sequence[int]) -> Batch:
        """Create a batch of objects in groups."""
        return cls(embeddings, {"groups": torch.tensor(groups, dtype=torch.int64)})

    @classmethod
    def of_pairs(
        cls, embeddings: Tensor, labels: Sequence[float], subgroups: Sequence[int]
    ) -> Batch:
        """Create a batch of pairs: all first objects, followed by all second objects."""
        return cls(embeddings, pair_targets(labels, subgroups))

    def reordered(self) -> Batch:
        """Return the batch with objects and pairs in a different order."""
        generator = torch.Generator().manual_seed(2)
        order = torch.randperm(len(self.embeddings), generator=generator)
        place = order.argsort()
        targets = {
            name: values[order]
            for name, values in self.targets.items()
            if name not in ("pairs", "labels")
        }
        if "pairs" in self.targets:
            pairs = torch.randperm(len(self.targets["pairs"]), generator=generator)
            targets["pairs"] = place[self.targets["pairs"]][pairs]
            targets["labels"] = self.targets["labels"][pairs]
        return Batch(self.embeddings[order], targets)

    def renamed(self) -> Batch:
        """Return the batch with other ids for the groups or subgroups 0 to 3, in the same order."""
        ids = torch.tensor(_LARGE_IDS)
        name = "groups" if "groups" in self.targets else "subgroups"
        return replace(self, targets={**self.targets, name: ids[self.targets[name]]})

    def with_object_targets(self, columns: Mapping[str, int]) -> Batch:
        """Return the batch with random per-object targets of the given numbers of columns."""
        count = len(self.embeddings)
        added = {name: vectors(count, number, seed=4) for name, number in columns.items()}
        return replace(self, targets={**self.targets, **added})

    def to(self, dtype: torch.dtype) -> Batch:
        """Return the batch with embeddings of another dtype."""
        return replace(self, embeddings=self.embeddings.to(dtype))


def pair_targets(labels: Sequence[float] | Tensor, subgroups: Sequence[int] | Tensor) -> Targets:
    """Create the targets of N pairs in the layout of a loader: all obj_a, then all obj_b.

    Returns:
        ``pairs`` (N, 2), rows of the two objects; ``labels`` (N,); ``subgroups`` (2N,).
    """
    first = torch.arange(len(labels))
    return {
        "pairs": torch.stack([first, first + len(labels)], dim=1),
        "labels": torch.as_tensor(labels),
        "subgroups": torch.as_tensor(subgroups).repeat(2),
    }


def vectors(count: int, size: int, seed: int = 1) -> Tensor:
    """Create reproducible random vectors, shape (count, size)."""
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


def training_batch(is_group: bool, size: int, count: int = 12, seed: int = 1) -> Batch:
    """Create a batch of ``count`` objects, an even number, with positives and negatives."""
    embeddings = vectors(count, size, seed)
    if is_group:
        return Batch.of_groups(embeddings, [n % GROUPS for n in range(count)])
    pairs = range(count // 2)
    return Batch.of_pairs(
        embeddings, [float(n % 3 < 2) for n in pairs], [n % GROUPS for n in pairs]
    )


def degenerate_batches(is_group: bool, size: int) -> Iterator[tuple[str, Batch]]:
    """Yield named batches that provoke division by zero and overflow."""
    four, ones, zeros = vectors(4, size), torch.ones(4, size), torch.zeros(4, size)
    opposite = torch.cat([ones[:2], -ones[:2]])
    if is_group:
        yield "one object", Batch.of_groups(four[:1], [0])
        yield "one group", Batch.of_groups(four, [0, 0, 0, 0])
        yield "no two of one group", Batch.of_groups(four, [0, 1, 2, 3])
        groups = [0, 0, 1, 1]
        yield "equal objects", Batch.of_groups(ones, groups)
        yield "zero vectors", Batch.of_groups(zeros, groups)
        yield "one zero vector", Batch.of_groups(torch.cat([zeros[:1], four[1:]]), groups)
        yield "opposite objects", Batch.of_groups(opposite, [0, 1, 0, 1])
        yield "long vectors", Batch.of_groups(four * 1e4, groups)
    else:
        yield "one pair", Batch.of_pairs(four[:2], [1.0], [0])
        yield "one dissimilar pair", Batch.of_pairs(four[:2], [0.0], [0])
        yield "no similar pair", Batch.of_pairs(four, [0.0, 0.0], [0, 1])
        yield "one subgroup", Batch.of_pairs(four, [1.0, 1.0], [0, 0])
        yield "no subgroups", Batch.of_pairs(four, [1.0, 0.0], [NO_SUBGROUP] * 2)
        yield "one pair without a subgroup", Batch.of_pairs(four, [1.0, 0.0], [0, NO_SUBGROUP])
        yield "equal objects", Batch.of_pairs(ones, [1.0, 0.0], [0, 1])
        yield "zero vectors", Batch.of_pairs(zeros, [1.0, 0.0], [0, 1])
        yield "opposite objects", Batch.of_pairs(opposite, [1.0, 0.0], [0, 1])
        yield "long vectors", Batch.of_pairs(four * 1e4, [1.0, 0.0], [0, 1])


def concatenated(parts: Sequence[Batch]) -> Batch:
    """Concatenate batches, as gathering across processes does."""
    starts = [sum(len(part.embeddings) for part in parts[:n]) for n in range(len(parts))]
    targets = {
        name: torch.cat(
            [
                part.targets[name] + (start if name == "pairs" else 0)
                for part, start in zip(parts, starts, strict=True)
            ]
        )
        for name in parts[0].targets
    }
    return Batch(torch.cat([part.embeddings for part in parts]), targets)
