import pickle

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    PairsSimilarityDataLoader,
    SimilarityGroupDataset,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.dataset.targets import NO_SUBGROUP, stable_id

GROUPS = [SimilarityGroupSample(f"object {n}", group=f"group {n % 3}") for n in range(10)]
PAIRS = [SimilarityPairSample(f"a{n}", f"b{n}", score=n % 2, subgroup=n) for n in range(10)]


def test_pairs_come_as_all_first_then_all_second_objects():
    objects, targets = next(iter(PairsSimilarityDataLoader(PAIRS, batch_size=3)))
    assert objects == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert targets["pairs"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert targets["labels"].tolist() == [0.0, 1.0, 0.0]
    assert targets["subgroups"].tolist() == [0, 1, 2, 0, 1, 2]
    assert targets["subgroups"].dtype == torch.int64


def test_equal_objects_have_equal_ids():
    samples = [SimilarityPairSample("q1", "yes"), SimilarityPairSample("q2", "yes")]
    for loader in (PairsSimilarityDataLoader(samples, batch_size=2), read_again(samples)):
        _, targets = next(iter(loader))
        first, second, yes, again = targets["objects"].tolist()
        assert targets["objects"].dtype == torch.int64
        assert yes == again
        assert len({first, second, yes}) == 3
    _, targets = next(iter(GroupSimilarityDataLoader(GROUPS[:2] + GROUPS[:1], batch_size=3)))
    first, second, again = targets["objects"].tolist()
    assert first == again != second


def read_again(samples):
    return PairsSimilarityDataLoader(samples, batch_size=2, num_workers=1)


def test_objects_that_cannot_be_read_equal_no_other():
    unreadable = lambda: None  # noqa: E731
    samples = [SimilarityPairSample(unreadable, "a"), SimilarityPairSample(unreadable, "a")]
    _, targets = next(iter(PairsSimilarityDataLoader(samples, batch_size=2)))
    first, second, a, again = targets["objects"].tolist()
    assert len({first, second, a}) == 3
    assert a == again


def test_pairs_without_a_subgroup_are_marked_as_such():
    _, targets = next(iter(PairsSimilarityDataLoader([SimilarityPairSample("a", "b")])))
    assert targets["subgroups"].tolist() == [NO_SUBGROUP, NO_SUBGROUP]


def test_groups_keep_their_identity():
    objects, targets = next(iter(GroupSimilarityDataLoader(GROUPS, batch_size=4)))
    assert objects == ["object 0", "object 1", "object 2", "object 3"]
    expected = [stable_id(f"group {n}") for n in (0, 1, 2, 0)]
    assert targets["groups"].tolist() == expected


def test_a_dataset_that_reads_whole_batches_is_asked_for_whole_batches():
    class Batches(Dataset):
        asked = []

        def __len__(self):
            return 6

        def __getitems__(self, indices):
            self.asked.append(indices)
            return [GROUPS[index] for index in indices]

    list(GroupSimilarityDataLoader(Batches(), batch_size=4))
    assert Batches.asked == [[0, 1, 2, 3], [4, 5]]


class Stream(IterableDataset):
    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        yield from GROUPS[:: worker.num_workers] if worker and worker.id == 0 else GROUPS[1::2]


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_workers": 2},
        {"num_workers": 1, "persistent_workers": True},
        {"batch_sampler": [[3, 1], [2]]},
        {"shuffle": True, "generator": torch.Generator().manual_seed(1)},
        {"drop_last": True, "batch_size": 4},
    ],
)
def test_every_argument_of_a_data_loader_works(arguments):
    batches = list(GroupSimilarityDataLoader(GROUPS, **arguments))
    plain = list(DataLoader(range(10), **_reseeded(arguments)))
    assert len(batches) == len(plain)


def _reseeded(arguments):
    if "generator" in arguments:
        arguments["generator"].manual_seed(1)
    return arguments


def test_iterable_data_with_workers_work():
    loader = GroupSimilarityDataLoader(Stream(), batch_size=2, num_workers=2)
    seen = [obj for objects, _ in loader for obj in objects]
    assert sorted(seen) == sorted(sample.obj for sample in GROUPS)


def test_a_batch_sampler_decides_what_is_in_a_batch():
    loader = GroupSimilarityDataLoader(GROUPS, batch_sampler=[[3, 1], [2]])
    assert [objects for objects, _ in loader] == [["object 3", "object 1"], ["object 2"]]


def test_a_derived_loader_leaves_the_loader_as_it_was():
    loader = PairsSimilarityDataLoader(PAIRS, batch_size=5)
    derived = loader.with_collate(lambda collate: lambda batch: len(collate(batch)[0]))
    assert list(derived) == [10, 10]
    assert next(iter(loader))[0][0] == "a0"
    assert type(derived) is DataLoader


def test_a_collate_function_of_the_user_replaces_the_splitting():
    loader = GroupSimilarityDataLoader([1, 2], collate_fn=lambda batch: (batch, {}))
    assert next(iter(loader)) == ([1], {})


@pytest.mark.parametrize("bad", ["text", ("a", "b"), None])
def test_a_sample_of_the_wrong_type_is_named(bad):
    loader = PairsSimilarityDataLoader([PAIRS[0], bad], batch_size=2)
    with pytest.raises(TypeError, match=f"sample 1 of the batch is .*{type(bad).__name__}"):
        next(iter(loader))


def test_mixed_samples_are_refused_with_the_way_out():
    loader = PairsSimilarityDataLoader([PAIRS[0], GROUPS[0]], batch_size=2)
    with pytest.raises(
        TypeError, match="GroupSimilarityDataLoader for such samples, and do not mix"
    ):
        next(iter(loader))


def test_a_loader_is_no_dataset():
    with pytest.raises(TypeError, match="Pass the dataset of that loader"):
        PairsSimilarityDataLoader(DataLoader([1]))


def test_samples_can_be_sent_to_workers():
    assert pickle.loads(pickle.dumps(PAIRS[3])) == PAIRS[3]


def test_a_labelled_dataset_becomes_group_samples():
    dataset = SimilarityGroupDataset([("x", 3), ("y", torch.tensor(4))])
    assert [dataset[0], dataset[1]] == [
        SimilarityGroupSample("x", 3),
        SimilarityGroupSample("y", 4),
    ]
    assert len(dataset) == 2


def test_a_dataset_without_labels_is_refused():
    with pytest.raises(TypeError, match=r"\(object, label\)"):
        SimilarityGroupDataset([5])[0]


class Told(SimilarityPairSample):
    """A pair sample that returns the first letters of its objects."""

    def object_targets(self):
        return {"letters": torch.tensor([[ord(self.obj_a[0])], [ord(self.obj_b[0])]])}


def test_what_samples_tell_of_their_objects_comes_in_the_order_of_the_objects():
    samples = [Told("apple", "bread"), Told("corn", "dill"), Told("egg", "fig")]
    objects, targets = next(iter(PairsSimilarityDataLoader(samples, batch_size=3)))
    assert targets["letters"].tolist() == [[ord(text[0])] for text in objects]
    chosen = PairsSimilarityDataLoader.sample_targets(samples)
    chosen = {name: values[torch.tensor([2, 0])] for name, values in chosen.items()}
    letters = PairsSimilarityDataLoader.batch_targets(chosen)["letters"]
    assert letters.flatten().tolist() == [ord(letter) for letter in "eafb"]
