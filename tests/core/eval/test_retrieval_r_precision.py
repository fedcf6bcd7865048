import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torchmetrics.functional.retrieval import retrieval_r_precision as torchmetrics_r_precision

from quaterion_core.eval.group import RetrievalRPrecision, retrieval_r_precision


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_torchmetrics(seed, share, random_matrices):
    distances, labels = random_matrices(seed, share=share)
    expected = [
        torchmetrics_r_precision(1 - row, label.bool())
        for row, label in zip(distances, labels, strict=True)
    ]
    torch.testing.assert_close(retrieval_r_precision(distances, labels), torch.stack(expected))


def test_groups_of_two_give_the_share_of_right_nearest_neighbours():
    embeddings = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    embeddings[20:] = embeddings[:20] + 0.4 * embeddings[20:]
    groups = torch.arange(20).repeat(2)
    nearest = NearestNeighbors(n_neighbors=1).fit(embeddings.numpy()).kneighbors()[1][:, 0]
    expected = (groups[torch.from_numpy(nearest)] == groups).float().mean()
    assert 0 < expected < 1
    torch.testing.assert_close(
        RetrievalRPrecision("euclidean").compute(embeddings, groups), expected
    )


def test_queries_count_alike_whatever_the_size_of_their_group():
    # On a line: group 1 at 0, 1, 2, 3; group 2 at 10 and 20, whose two nearest are of group 1
    # and of group 2.
    embeddings = torch.tensor([[0.0], [1.0], [2.0], [3.0], [10.0], [20.0]])
    groups = torch.tensor([1, 1, 1, 1, 2, 2])
    metric = RetrievalRPrecision("euclidean", reduce_func=None)
    assert metric.compute(embeddings, groups).tolist() == [1, 1, 1, 1, 0, 1]
    # Pooled over neighbours it would be 13 of 14.
    assert RetrievalRPrecision("euclidean").compute(embeddings, groups).item() == pytest.approx(
        5 / 6
    )


def test_without_any_relevant_object_the_value_is_zero():
    value = RetrievalRPrecision().compute(torch.eye(3), torch.tensor([1, 2, 3]))
    assert value.item() == 0.0


def test_only_object_of_a_group_is_no_query():
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    assert RetrievalRPrecision().compute(embeddings, torch.tensor([1, 1, 2])).item() == 1.0
    values = RetrievalRPrecision(reduce_func=None).compute(embeddings, torch.tensor([1, 1, 2]))
    assert values.tolist() == [1.0, 1.0]


def test_query_without_relevant_objects_has_the_value_zero():
    distances = torch.tensor([[0.1, 0.2], [0.1, 0.2]])
    assert retrieval_r_precision(distances, torch.tensor([[1, 0], [0, 0]])).tolist() == [1.0, 0.0]


def test_collapsed_model_finds_the_others_first():
    # Groups of 4 and 8: R is 3 and 7. Before the 7 come 4 others, before the 3 come 8.
    groups = torch.tensor([0] * 4 + [1] * 8)
    values = RetrievalRPrecision(reduce_func=None).compute(torch.ones(12, 4), groups)
    assert values.tolist() == pytest.approx([0.0] * 4 + [3 / 7] * 8)


@pytest.mark.parametrize("offset", [2**24, 2**53, -(2**62)])
def test_neighbouring_large_groups_are_told_apart(offset):
    groups = torch.tensor([0, 0, 1, 1]) + offset
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    metric = RetrievalRPrecision()
    metric.update(embeddings, groups)
    assert metric.compute().item() == 1.0
    assert metric.accumulator.groups.tolist() == groups.tolist()
