"""Batches in which no two samples are secretly the same."""

from __future__ import annotations

import torch
from torch import Tensor

from quaterion_core.dataset.batch_samplers.batch_sampler import BatchSampler
from quaterion_core.dataset.batch_samplers.sample_facts import SampleFacts
from quaterion_core.dataset.targets import NO_SUBGROUP


class NoDuplicatesBatchSampler(BatchSampler):
    """Makes batches in which no two samples share an object or, as pairs, state one subgroup.

    A loss that takes the other objects of a batch as negatives, such as multiple negatives
    ranking, would take a second copy of an object's partner for a negative. Samples that do not
    fit into a batch are put off to a later one:

    - Every sample occurs exactly once in an epoch.
    - Batches are full as long as there are samples that go together. Where an object or a subgroup
      is in more samples than there are batches, the last batches are smaller.

    Hard negatives, which are pairs of score 0, stay with their query: they are of use to a ranking
    loss only in the batch of a similar pair with the same ``obj_a``. Each comes into the batch of
    such a pair, in turn where there are several. Two queries of a batch may share a hard negative;
    but the hard negative of one is never the partner of another, for whom it would be false.

    Example:
        >>> from quaterion_core.dataset import PairsSimilarityDataLoader, SimilarityPairSample
        >>> from quaterion_core.dataset.batch_samplers import read_facts
        >>> answers = ["yes", "no", "yes", "no"]
        >>> samples = [SimilarityPairSample(n, answer) for n, answer in enumerate(answers)]
        >>> facts = read_facts(PairsSimilarityDataLoader(samples))
        >>> generator = torch.Generator().manual_seed(0)
        >>> for batch in NoDuplicatesBatchSampler().batches(facts, 2, generator):
        ...     print(sorted(answers[index] for index in batch))
        ['no', 'yes']
        ['no', 'yes']
    """

    def batches(
        self, facts: SampleFacts, batch_size: int, generator: torch.Generator
    ) -> list[list[int]]:
        """Divide S samples into batches."""
        self.check_batch_size(batch_size)
        order = torch.randperm(len(facts), generator=generator)
        is_negative = facts.targets.get("labels", torch.ones(len(facts)))[order] <= 0
        leaders = _leaders(facts.objects[order, 0], is_negative, batch_size).tolist()
        units = {place: [place] for place, leader in enumerate(leaders) if leader < 0}
        for place, leader in enumerate(leaders):
            if leader >= 0:
                units[leader].append(place)
        own, refused = _keys(facts, order, is_negative)
        filling = _Filling(batch_size, int(max(own.max(), refused.max())) + 1)
        indices, own_keys, refused_keys = order.tolist(), own.tolist(), refused.tolist()
        for unit in units.values():
            filling.add(
                [indices[place] for place in unit],
                [key for place in unit for key in own_keys[place] if key >= 0],
                [refused_keys[place] for place in unit if refused_keys[place] >= 0],
            )
        return filling.batches


def _leaders(first_objects: Tensor, is_negative: Tensor, batch_size: int) -> Tensor:
    """Find a similar pair with the same ``obj_a`` for each hard negative.

    Args:
        first_objects: Number of ``obj_a`` of each sample, shape (S,).
        is_negative: Whether a sample is a hard negative, shape (S,).
        batch_size: No pair gets more of them than fit into its batch.

    Returns:
        Place of that pair, shape (S,); -1 where there is none, and for similar pairs.
    """
    leaders = torch.full_like(first_objects, -1)
    similar, negative = (~is_negative).nonzero().flatten(), is_negative.nonzero().flatten()
    similar = similar[first_objects[similar].argsort(stable=True)]
    negative = negative[first_objects[negative].argsort(stable=True)]
    candidates, wanted = first_objects[similar].contiguous(), first_objects[negative].contiguous()
    start = torch.searchsorted(candidates, wanted)
    count = torch.searchsorted(candidates, wanted, right=True) - start
    turn = torch.arange(len(wanted)) - torch.searchsorted(wanted, wanted)
    fits = (count > 0) & (turn < count * (batch_size - 1))
    leaders[negative[fits]] = similar[start[fits] + turn[fits] % count[fits]]
    return leaders


def _keys(facts: SampleFacts, order: Tensor, is_negative: Tensor) -> tuple[Tensor, Tensor]:
    """Number what a sample must not share with another one of its batch.

    Returns:
        Numbers of what each sample has for itself, shape (S, keys), and of what it may share with
        other hard negatives, shape (S,); -1 for what no other sample has.
    """
    objects = facts.objects[order]
    subgroups = facts.targets.get("subgroups", objects.new_empty(0))
    columns = [objects]
    if len(subgroups):
        _, numbers = torch.unique(subgroups[order], return_inverse=True)
        numbers = numbers + int(objects.max()) + 1
        columns.append(numbers.masked_fill(subgroups[order] == NO_SUBGROUP, -1).unsqueeze(1))
    keys = torch.cat(columns, dim=1)
    is_shared = torch.bincount(keys[keys >= 0]) > 1
    keys = keys.masked_fill(~is_shared[keys.clamp(min=0)], -1)
    refused = torch.where(is_negative, keys[:, objects.shape[1] - 1], -1)
    keys[is_negative, objects.shape[1] - 1] = -1
    return keys, refused


class _Filling:
    """Puts units of samples into the first batch that has room and nothing in common with them.

    It remembers the last batch of each key only, and never looks at earlier ones again, so that
    its time is proportional to the number of samples.
    """

    def __init__(self, batch_size: int, keys: int):
        self.batches: list[list[int]] = []
        self._batch_size = batch_size
        self._last_own = [-1] * keys
        self._last_refused = [-1] * keys
        self._next: list[int] = []  # a batch itself, or a later one if it takes no more samples

    def add(self, samples: list[int], own: list[int], refused: list[int]) -> None:
        """Add samples that belong together.

        Args:
            samples: Indices of the samples.
            own: Keys that no other sample of the batch may have in any way.
            refused: Keys that no other sample of the batch may have as its own.
        """
        last_own, last_refused = self._last_own, self._last_refused
        batch = 0
        for key in own:
            batch = max(batch, last_own[key] + 1, last_refused[key] + 1)
        for key in refused:
            batch = max(batch, last_own[key] + 1)
        batch = self._with_room(batch, len(samples))
        self.batches[batch] += samples
        if len(self.batches[batch]) == self._batch_size:
            self._next[batch] = batch + 1
        for key in own:
            last_own[key] = batch
        for key in refused:
            last_refused[key] = max(batch, last_refused[key])

    def _with_room(self, batch: int, size: int) -> int:
        """Return the first batch from the given one on that takes so many samples.

        Batches that are tried and have less room are closed.
        """
        while True:
            while len(self.batches) <= batch:
                self._next.append(len(self.batches))
                self.batches.append([])
            if self._next[batch] != batch:
                following = self._next[batch]
                if following < len(self._next):
                    self._next[batch] = self._next[following]  # halves the way of the next one
                batch = following
            elif len(self.batches[batch]) + size > self._batch_size:
                self._next[batch] = batch + 1
            else:
                return batch
