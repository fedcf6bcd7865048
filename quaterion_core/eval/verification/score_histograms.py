"""Histograms of the scores of all pairs of objects, by groups, and bootstrap samples of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from quaterion_core.distances import BaseDistance
from quaterion_core.eval.group.group_metric import GroupMetric
from quaterion_core.eval.retrieval import Retrieval

FOLDS: Final = 64
"""Maximum number of sets of groups that are drawn."""

RESAMPLES: Final = 1000
"""Number of bootstrap samples."""

_AT_ONCE: Final = 50
_QUANTILES: Final = 128
_SAMPLE: Final = 2**20
_HIGHEST: Final = 2**12


@dataclass(frozen=True)
class ScoreHistograms:
    """Numbers of pairs by score, for pairs of sets of groups.

    Groups are divided at random into F sets, each group into one of its own where there are at most
    :data:`FOLDS`. Bins are narrow where matching pairs are, and where few other pairs are.

    Attributes:
        matching: Number of pairs of one group in each set and each bin, shape (F, B), float32. Bins
            ascend.
        others: Number of pairs of different groups in each pair of sets, shape (F, F, B), float32.
    """

    matching: Tensor
    others: Tensor

    @classmethod
    def of_retrieval(cls, retrieval: Retrieval, distance: BaseDistance) -> ScoreHistograms:
        """Count all pairs of a query and another object, in blocks."""
        _, number = torch.unique(retrieval.clusters, return_inverse=True)
        count = int(number.max()) + 1
        order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
        folds = min(FOLDS, count)
        fold = (order % folds)[number].to(retrieval.queries.device)
        edges = _edges(retrieval, distance)
        bins = len(edges) + 1
        matching = torch.zeros(folds * bins, dtype=torch.int64)
        others = torch.zeros(folds * folds * bins, dtype=torch.int64)
        for queries, scores, is_match, is_pair in _blocks(retrieval, distance):
            place = torch.searchsorted(edges, scores, right=True)
            row = fold[queries].unsqueeze(1).expand_as(place)[is_pair]
            column = fold[retrieval.candidates].expand_as(place)[is_pair]
            place, of_match = place[is_pair], is_match[is_pair]
            found = (row * bins + place)[of_match]
            matching += torch.bincount(found, minlength=len(matching)).cpu()
            found = ((row * folds + column) * bins + place)[~of_match]
            others += torch.bincount(found, minlength=len(others)).cpu()
        return cls(
            matching.reshape(folds, bins).float(), others.reshape(folds, folds, bins).float()
        )

    def total(self) -> tuple[Tensor, Tensor]:
        """Return the numbers of matching and of other pairs in each bin, shape (1, B) each."""
        return self.matching.sum(dim=0, keepdim=True), self.others.sum(dim=(0, 1)).unsqueeze(0)

    def resampled(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the same for bootstrap samples of the sets of groups, shape (R, B) each, in blocks.

        A set that is drawn twice counts as two sets of different groups. Pairs of an object and its
        copy do not count.
        """
        folds = len(self.matching)
        generator = torch.Generator().manual_seed(0)
        within = self.others.diagonal(dim1=0, dim2=1).T
        across = self.others.clone()
        across[torch.arange(folds), torch.arange(folds)] = 0
        for _ in range(0, RESAMPLES, _AT_ONCE):
            drawn = torch.randint(0, folds, (_AT_ONCE, folds), generator=generator)
            times = torch.nn.functional.one_hot(drawn, folds).sum(dim=1).float()
            others = torch.einsum("rf,rg,fgb->rb", times, times, across) + times @ within
            yield times @ self.matching, others


def _blocks(
    retrieval: Retrieval, distance: BaseDistance
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Yield queries, scores, which pairs match, and which are pairs, in blocks."""
    for queries, distances, is_pair in retrieval.every_two(distance):
        is_match = retrieval.labels(GroupMetric.prepare_labels, queries) > 0
        yield queries, -distances, is_match, is_pair


def _edges(retrieval: Retrieval, distance: BaseDistance) -> Tensor:
    """Return scores that separate bins, ascending."""
    pairs = max(1, len(retrieval.queries) * len(retrieval.candidates))
    step = -(-pairs // _SAMPLE)
    matching, sample, highest = [], [], retrieval.queries.new_empty(0, dtype=torch.float32)
    for _, scores, is_match, is_pair in _blocks(retrieval, distance):
        matching.append(scores[is_match & is_pair])
        others = scores[is_pair & ~is_match]
        sample.append(others[::step])
        kept = torch.cat([highest.to(others.dtype), others])
        highest = kept.topk(min(_HIGHEST, len(kept))).values
    ranks = torch.logspace(0, torch.tensor(float(_HIGHEST)).log2(), _QUANTILES, base=2).long() - 1
    tail = highest[ranks[ranks < len(highest)].to(highest.device)]
    edges: Tensor = torch.unique(torch.cat([_quantiles(matching), _quantiles(sample), tail]))
    return edges


def _quantiles(parts: list[Tensor]) -> Tensor:
    ordered = torch.cat(parts).sort().values
    places = torch.linspace(0, max(0, len(ordered) - 1), _QUANTILES).long()
    return ordered[places[: len(ordered)].to(ordered.device)]
