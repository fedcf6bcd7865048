"""Batches without equal objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor

from quaterion_core.dataset.batch_samplers.batch_sampler import BatchSampler
from quaterion_core.dataset.batch_samplers.sample_facts import SampleFacts
from quaterion_core.dataset.targets import NO_SUBGROUP

_TRIES: Final = 64
"""Number of batches that are tried before samples are postponed."""


class NoDuplicatesBatchSampler(BatchSampler):
    """Batches in which no two samples share an object or, as pairs, state one subgroup.

    A loss that uses the other objects of a batch as negatives, such as multiple negatives
    ranking, would otherwise use a copy of an object's partner as its negative.

    - S samples make about ``S / batch_size`` batches, as many as without a batch sampler, or
      ``S / D`` if there are only D different objects that keep samples apart. An object that is in
      more samples than there are batches is in each of them once; its other samples are left out
      of this epoch. Which ones is drawn anew in every epoch. Batches are then evenly smaller.
    - No batch has a single sample. A sample that could only be alone is left out, too.
    - Every other sample occurs exactly once in an epoch.

    Hard negatives, which are pairs of score 0, stay with their query: they are of use to a ranking
    loss only in the batch of a similar pair with the same ``obj_a``. Each is put into the batch of
    such a pair, in turn if there are several. Two queries of a batch may share a hard negative;
    but the hard negative of one is never the partner of another, for which it would be false.

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

    left_out_because = (
        "no two samples of a batch may share an object or a subgroup, and theirs is in more "
        "samples than there are batches. A smaller batch_size makes more batches"
    )

    def batches(
        self, facts: SampleFacts, batch_size: int, generator: torch.Generator
    ) -> list[list[int]]:
        """Divide S samples into batches.

        Raises:
            ValueError: The batch size is less than 1, or no two samples may share a batch.
        """
        self.check_batch_size(batch_size)
        order = torch.randperm(len(facts), generator=generator)
        is_negative = facts.targets.get("labels", torch.ones(len(facts)))[order] <= 0
        leaders = _leaders(facts.objects[order, 0], is_negative, batch_size)
        own, refused = _keys(facts, order, is_negative)
        is_free = (own < 0).all(dim=1) & (refused < 0) & (leaders < 0)
        units, rows = _units(order, leaders, own, refused, ~is_free, generator)
        free = order[is_free].tolist()
        # No batch can have more units than there are rows and free samples.
        count = max(
            -(-len(facts) // batch_size), -(-(len(units) + len(free)) // (rows + len(free)))
        )
        deal = _Deal(count, batch_size, generator)
        deal.add(units)
        deal.fill_up(free)
        if batch_size > 1 and len(facts) > 1:
            deal.leave_nothing_alone()
        batches = [batch for batch in deal.batches if batch]
        if not batches and len(facts):
            raise ValueError(
                f"No two of the {len(facts)} samples may share a batch, since all of them share an "
                "object or a subgroup, so there is nothing to compare a sample with. Expected "
                "samples with at least two different objects or subgroups on each side."
            )
        return batches

    def may_join(self, facts: SampleFacts, batch: list[int]) -> bool:
        """Whether no two samples of a batch share an object or a subgroup."""
        everything = torch.arange(len(facts))
        is_negative = facts.targets.get("labels", torch.ones(len(facts))) <= 0
        own, _ = _keys(facts, everything, is_negative)
        keys = own[batch].flatten()
        keys = keys[keys >= 0]
        return len(torch.unique(keys)) == len(keys)


class _Unit(NamedTuple):
    """Samples that belong together.

    Attributes:
        samples: Indices of the samples.
        own: Keys that no other sample of the batch may have in any way.
        refused: Keys that no other sample of the batch may have as its own.
    """

    samples: list[int]
    own: Sequence[int] = ()
    refused: Sequence[int] = ()


def _units(
    order: Tensor,
    leaders: Tensor,
    own: Tensor,
    refused: Tensor,
    chosen: Tensor,
    generator: torch.Generator,
) -> tuple[list[_Unit], int]:
    """Group hard negatives with their similar pairs, and arrange units of one object in a row.

    A row of units is assigned to different batches. Frequent objects tend to come first, at random,
    so that any two objects are in one batch in some epoch.

    Args:
        order: Index of the sample in each place, shape (S,).
        leaders: Result of :func:`_leaders`.
        own: Keys of each sample, shape (S, keys).
        refused: Key of each sample that it may share with other hard negatives, shape (S,).
        chosen: Whether a sample is part of a unit, shape (S,).
        generator: Source of randomness.

    Returns:
        The units, and the number of rows.
    """
    own, refused, leaders, indices = (t[chosen] for t in (own, refused, leaders, order))
    times = torch.bincount(own[own >= 0], minlength=1)
    weights = times * (0.5 + 0.5 * torch.rand(len(times), generator=generator))
    main = torch.where(own >= 0, times[own], 0).argmax(dim=1, keepdim=True)
    main_key = own.gather(1, main).squeeze(1)
    # Ties between keys of equal weight are broken by their number.
    in_rows = main_key.argsort(stable=True)
    in_rows = in_rows[weights[main_key[in_rows]].argsort(stable=True, descending=True)]
    units: dict[int, _Unit] = {}
    followers: list[tuple[int, _Unit]] = []
    places = chosen.nonzero().flatten()
    for place, leader, index, keys, key in zip(
        *(t[in_rows].tolist() for t in (places, leaders, indices, own, refused)), strict=True
    ):
        unit = _Unit([index], [k for k in keys if k >= 0], [key] if key >= 0 else [])
        if leader < 0:
            units[place] = unit
        else:
            followers.append((leader, unit))
    for leader, unit in followers:
        samples, own_keys, refused_keys = units[leader]
        units[leader] = _Unit(
            samples + unit.samples,
            [*{*own_keys, *unit.own}],
            [*{*refused_keys, *unit.refused}],
        )
    return list(units.values()), len(torch.unique(main_key[leaders < 0]))


def _leaders(first_objects: Tensor, is_negative: Tensor, batch_size: int) -> Tensor:
    """Find a similar pair with the same ``obj_a`` for each hard negative.

    Args:
        first_objects: Number of ``obj_a`` of each sample, shape (S,).
        is_negative: Whether a sample is a hard negative, shape (S,).
        batch_size: Maximum number of samples in a batch; no pair gets more of them than fit.

    Returns:
        Place of that pair, shape (S,); -1 if there is none, and for similar pairs.
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
    """Assign keys to what a sample must not share with another one of its batch.

    Returns:
        Keys that each sample must have alone, shape (S, keys), and the key that it may share with
        other hard negatives, shape (S,); -1 for keys that no other sample has.
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


class _Deal:
    """Assignment of units of samples to batches in rounds, each in a random order of the batches.

    Args:
        count: Number of batches N.
        batch_size: Maximum number of samples in a batch.
        generator: Source of randomness.
    """

    def __init__(self, count: int, batch_size: int, generator: torch.Generator):
        self.batches: list[list[int]] = [[] for _ in range(count)]
        self._count = count
        self._batch_size = batch_size
        self._generator = generator
        self._unit_of: dict[int, _Unit] = {}  # of the samples that conflict with others
        self._owners: defaultdict[int, set[int]] = defaultdict(set)  # batches that have a key
        self._refusers: defaultdict[int, set[int]] = defaultdict(set)
        self._turns: list[int] = []  # the batches whose turn it is, from the next one on
        self._next = 0

    def add(self, units: list[_Unit]) -> None:
        """Assign units; those that fit into none get a few batches of their own, if possible."""
        owners, late = self._owners, []
        for unit in units:
            if max(len(owners[key]) for key in unit.own or (-1,)) >= self._count:
                continue  # its object is in every batch
            if not self._deal(unit):
                late.append(unit)
        for unit in late:
            extra = range(self._count, len(self.batches))
            number = next((n for n in extra if self._takes(n, unit)), None)
            if number is None:
                number = len(self.batches)
                self.batches.append([])
            self._put(number, unit)
        by_size = sorted(self.batches[self._count :], key=len, reverse=True)
        for rank, batch in enumerate(by_size):
            if 2 * len(batch) < self._batch_size and rank > self._count // 20:
                batch.clear()

    def fill_up(self, samples: list[int]) -> None:
        """Fill the batches, one after another, with samples that conflict with no others."""
        total = sum(map(len, self.batches)) + len(samples)
        is_full = total > (len(self.batches) - 1) * self._batch_size
        size = self._batch_size if is_full else -(-total // len(self.batches))
        start = 0
        for batch in self.batches:
            room = max(size - len(batch), 0)
            batch += samples[start : start + room]
            start += room

    def leave_nothing_alone(self) -> None:
        """Move a sample to each batch of a single one; leave that one out if none fits."""
        largest = sorted(range(len(self.batches)), key=lambda n: -len(self.batches[n]))[:_TRIES]
        alone = [number for number, batch in enumerate(self.batches) if len(batch) == 1]
        for number in alone:
            if len(self.batches[number]) != 1:
                continue  # it was given away, or something was moved to it
            if not any(self._move_one(giver, number) for giver in [*largest, *alone[-_TRIES:]]):
                self.batches[number].clear()

    def _move_one(self, giver: int, taker: int) -> bool:
        batch = self.batches[giver]
        if giver == taker or len(batch) in (0, 2):
            return False
        for sample in batch[-_TRIES:]:
            unit = self._unit_of.get(sample, _Unit([sample]))
            if len(unit.samples) == 1 and self._takes(taker, unit):
                batch.remove(sample)
                self._put(taker, unit)
                return True
        return False

    def _deal(self, unit: _Unit) -> bool:
        """Assign a unit to the first batch of the round that accepts it."""
        if self._deal_from(self._next, unit):
            return True
        if len(self._turns) - self._next >= self._count:
            return False
        lap = torch.randperm(self._count, generator=self._generator).tolist()
        has_one = set[int]().union(*(self._owners[key] for key in unit.own))
        self._turns = self._turns[self._next :]
        self._next, start = 0, len(self._turns)
        self._turns += sorted(lap, key=has_one.__contains__)
        return self._deal_from(start, unit)

    def _deal_from(self, start: int, unit: _Unit) -> bool:
        turns = self._turns
        for place in range(start, min(start + _TRIES, len(turns))):
            if self._takes(turns[place], unit):
                self._put(turns[place], unit)
                turns[place], turns[self._next] = turns[self._next], turns[place]
                self._next += 1
                return True
        return False

    def _takes(self, number: int, unit: _Unit) -> bool:
        """Whether a batch has room for a unit and no key in common with it."""
        samples, own, refused = unit
        if len(self.batches[number]) + len(samples) > self._batch_size:
            return False
        for key in own:
            if number in self._owners[key] or number in self._refusers[key]:
                return False
        return not any(number in self._owners[key] for key in refused)

    def _put(self, number: int, unit: _Unit) -> None:
        samples, own, refused = unit
        self.batches[number] += samples
        for sample in samples:
            self._unit_of[sample] = unit
        for key in own:
            self._owners[key].add(number)
        for key in refused:
            self._refusers[key].add(number)
