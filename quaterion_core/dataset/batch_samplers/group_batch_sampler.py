"""Batches of several groups with several samples each."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from quaterion_core.dataset.batch_samplers.batch_sampler import BatchSampler
from quaterion_core.dataset.batch_samplers.sample_facts import SampleFacts
from quaterion_core.utils.ranges import Count


class GroupBatchSampler(BatchSampler):
    """Batches of P groups with K samples each, so that every sample has positives.

    P is ``batch_size`` / K. In every epoch, the samples of each group are shuffled and split into
    chunks of K, and the chunks are assigned to batches at random:

    - Every sample occurs exactly once in an epoch; none is left out and none is repeated.
    - A group whose size is not a multiple of K has one chunk with fewer samples. A sample is alone
      in its chunk, and so without a positive, only if it is alone in its group or if K is at most
      2.
    - No batch has two chunks of one group, unless the group has more chunks than there are
      batches. A group that large can leave batches without negatives, which are counted in a
      warning.
    - Batches have P chunks, or evenly fewer if the chunks do not fill all batches: 12 chunks at
      P = 8 result in two batches of 6.

    Source: the batches of Hermans, Beyer, Leibe, In Defense of the Triplet Loss for Person
    Re-Identification, 2017, section 2.

    Args:
        samples_per_group: K.

    Raises:
        ValueError: K is less than 1.

    Example:
        >>> groups = torch.tensor([7, 7, 7, 7, 8, 8, 8, 8, 9, 9, 9, 9])
        >>> facts = SampleFacts({"groups": groups}, torch.arange(12).unsqueeze(1))
        >>> generator = torch.Generator().manual_seed(0)
        >>> for batch in GroupBatchSampler(samples_per_group=2).batches(facts, 6, generator):
        ...     print(sorted(groups[batch].tolist()))
        [7, 7, 8, 8, 9, 9]
        [7, 7, 8, 8, 9, 9]
    """

    def __init__(self, samples_per_group: Count = 4):
        if samples_per_group < 1:
            raise ValueError(
                f"Expected samples_per_group to be at least 1, got {samples_per_group}."
            )
        self.samples_per_group = samples_per_group

    def check_batch_size(self, batch_size: int) -> None:
        """Raise a ``ValueError`` unless K divides the batch size."""
        super().check_batch_size(batch_size)
        if batch_size % self.samples_per_group:
            raise ValueError(
                "Expected a batch_size that is a multiple of "
                f"samples_per_group={self.samples_per_group} for the batch sampler 'groups', got "
                f"{batch_size}. Change one of them."
            )

    def batches(
        self, facts: SampleFacts, batch_size: int, generator: torch.Generator
    ) -> list[list[int]]:
        """Divide S samples into batches; the samples of a group follow one another."""
        self.check_batch_size(batch_size)
        if "groups" not in facts.targets:
            raise ValueError(
                "Expected samples with a group for the batch sampler 'groups', got pairs. Use "
                "SimilarityGroupSample, or the batch sampler 'no-duplicates'."
            )
        samples, sizes = _by_group(facts.targets["groups"], generator)
        chunks = -(-sizes // self.samples_per_group)
        groups_per_batch = batch_size // self.samples_per_group
        count = -(-int(chunks.sum()) // groups_per_batch)
        dealt = _deal(chunks, count, generator)
        batch_of_sample, order = dealt[self._chunk_of_sample(sizes, chunks)].sort(stable=True)
        ends = torch.bincount(batch_of_sample, minlength=count).cumsum(0)
        indices = samples[order].tolist()
        starts = [0, *ends.tolist()]
        return [indices[start:end] for start, end in pairwise(starts)]

    def _chunk_of_sample(self, sizes: Tensor, chunks: Tensor) -> Tensor:
        """Number the chunks of all groups, and return the chunk of each sample, shape (S,)."""
        group = torch.arange(len(sizes)).repeat_interleave(sizes)
        place = torch.arange(len(group)) - (sizes.cumsum(0) - sizes)[group]
        chunk = place // self.samples_per_group
        if self.samples_per_group > 2:
            # A single sample is joined by one from the full chunk before it.
            is_lonely = (sizes > 1) & (sizes % self.samples_per_group == 1)
            chunk = chunk + (is_lonely[group] & (place == sizes[group] - 2))
        return (chunks.cumsum(0) - chunks)[group] + chunk


def _by_group(groups: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return all samples, group after group, in random order, and the sizes of the groups."""
    shuffled = torch.randperm(len(groups), generator=generator)
    _, group, sizes = torch.unique(groups[shuffled], return_inverse=True, return_counts=True)
    order = torch.randperm(len(sizes), generator=generator)
    new_number = torch.empty_like(order)
    new_number[order] = torch.arange(len(order))
    return shuffled[new_number[group].argsort(stable=True)], sizes[order]


def _deal(chunks: Tensor, batches: int, generator: torch.Generator) -> Tensor:
    """Assign chunks to batches in rounds, each in a random order of the batches.

    A group whose chunks continue in the next round is assigned last to the batches that it is in
    already, so it is in a batch twice only if it has more chunks than there are batches.

    Args:
        chunks: Number of chunks of each group.
        batches: Number of batches.
        generator: Source of randomness.

    Returns:
        Batch of each chunk, group after group.
    """
    first = chunks.cumsum(0) - chunks
    total = int(chunks.sum())
    dealt = torch.empty(total, dtype=torch.int64)
    for start in range(0, total, batches):
        lap = torch.randperm(batches, generator=generator)
        group = torch.searchsorted(first, torch.tensor(start), right=True) - 1
        times = torch.bincount(dealt[first[group] : start], minlength=batches)
        lap = lap[times[lap].argsort(stable=True)]
        dealt[start : start + batches] = lap[: total - start]
    return dealt
