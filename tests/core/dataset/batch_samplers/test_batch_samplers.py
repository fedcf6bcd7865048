from itertools import pairwise

import pytest
import torch
from torch.utils.data import IterableDataset

from quaterion_core.dataset import (
    GroupBatchSampler,
    GroupSimilarityDataLoader,
    NoDuplicatesBatchSampler,
    PairsSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
    build_batch_sampler,
    read_facts,
)
from quaterion_core.dataset.targets import NO_SUBGROUP

GROUPS = [SimilarityGroupSample([n % 50], group=n % 12) for n in range(200)]


def test_facts_of_pairs_are_what_they_state_and_which_objects_are_equal():
    samples = [
        SimilarityPairSample("a", "b", subgroup=5),
        SimilarityPairSample("c", "a", score=0.0),
        SimilarityPairSample("b", "b", score=0.5, subgroup=6),
    ]
    facts = read_facts(PairsSimilarityDataLoader(samples, batch_size=2, shuffle=True))
    assert facts.objects.tolist() == [[0, 1], [2, 0], [1, 1]]
    assert facts.targets["labels"].tolist() == [1.0, 0.0, 0.5]
    assert facts.targets["subgroups"].tolist() == [5, NO_SUBGROUP, 6]
    assert len(facts) == 3


def test_facts_are_the_same_with_workers():
    alone, helped = (read_facts(GroupSimilarityDataLoader(GROUPS), n) for n in (0, 2))
    torch.testing.assert_close(alone.objects, helped.objects)
    torch.testing.assert_close(alone.targets, helped.targets)
    assert alone.objects.shape == (200, 1)


def test_samples_that_cannot_be_chosen_or_are_not_known_are_refused():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(GROUPS)

    with pytest.raises(ValueError, match="Use a map-style dataset or no batch sampler"):
        read_facts(GroupSimilarityDataLoader(Stream()))
    with pytest.raises(ValueError, match="Remove collate_fn or the batch sampler"):
        read_facts(GroupSimilarityDataLoader(GROUPS, collate_fn=list))


def cut(batch, processes):
    """Cut a batch into contiguous parts whose sizes differ by at most one."""
    bounds = [len(batch) * rank // processes for rank in range(processes + 1)]
    return [batch[start:end] for start, end in pairwise(bounds)]


@pytest.mark.parametrize("name", ["groups", "no-duplicates"])
@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_processes_get_equally_many_disjoint_parts_and_all_of_them_see_every_sample(
    name, processes
):
    facts = read_facts(GroupSimilarityDataLoader(GROUPS))
    batch_size = 12 * processes
    parts_of_ranks = []
    for rank in range(processes):  # each process makes the batches by itself, from one seed
        generator = torch.Generator().manual_seed(3)
        batches = build_batch_sampler(name).batches(facts, batch_size, generator)
        parts_of_ranks.append([cut(batch, processes)[rank] for batch in batches])
    assert len({len(parts) for parts in parts_of_ranks}) == 1
    seen = [index for parts in parts_of_ranks for part in parts for index in part]
    assert sorted(seen) == list(range(len(facts)))
    for step in zip(*parts_of_ranks, strict=True):
        together = [index for part in step for index in part]
        if name == "groups":
            _, counts = facts.targets["groups"][together].unique(return_counts=True)
            assert max(counts.tolist()) <= 4
        else:
            assert len(set(facts.objects[together, 0].tolist())) == len(together)


def test_a_batch_sampler_is_chosen_by_name_by_arguments_or_is_made_already():
    assert isinstance(build_batch_sampler("no-duplicates"), NoDuplicatesBatchSampler)
    chosen = build_batch_sampler({"name": "groups", "samples_per_group": 3})
    assert isinstance(chosen, GroupBatchSampler)
    assert chosen.samples_per_group == 3
    assert build_batch_sampler(chosen) is chosen


@pytest.mark.parametrize(
    ("choice", "error", "message"),
    [
        ("no-duplicate", ValueError, "did you mean 'no-duplicates'"),
        ("x", ValueError, "Choose one of: groups, no-duplicates"),
        (
            {"name": "groups", "sample_per_group": 3},
            TypeError,
            "no argument 'sample_per_group': did you mean 'samples_per_group'",
        ),
        ({"name": "no-duplicates", "k": 3}, TypeError, "It takes: no arguments"),
        ({"name": "groups", "samples_per_group": 0}, ValueError, "at least 1"),
        (7, TypeError, "Expected the name of a batch sampler"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_with_what_was_meant(choice, error, message):
    with pytest.raises(error, match=message):
        build_batch_sampler(choice)
