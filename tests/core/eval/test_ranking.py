import pytest
import torch

from quaterion_core.eval.ranking import first_rank, hits_among_nearest, relevant


@pytest.mark.parametrize("seed", range(5))
def test_ranks_and_hits_agree_with_sorting_where_many_objects_tie(seed, ranked):
    generator = torch.Generator().manual_seed(seed)
    distances = torch.randint(0, 4, (20, 15), generator=generator).float()
    relevance = torch.rand(20, 15, generator=generator) < 0.4
    relevance[:, 0] |= ~relevance.any(dim=1)
    counts = torch.randint(0, 16, (20,), generator=generator)
    rows = [ranked(distances[i], relevance[i]) for i in range(20)]
    assert first_rank(distances, relevance).tolist() == [row.index(True) + 1 for row in rows]
    assert hits_among_nearest(distances, relevance, counts).tolist() == [
        sum(row[:count]) for row, count in zip(rows, counts.tolist(), strict=True)
    ]


def test_rank_where_nothing_is_relevant_is_behind_all_objects():
    assert first_rank(torch.rand(1, 7), torch.zeros(1, 7, dtype=torch.bool)).tolist() == [8]


def test_no_hits_among_no_objects():
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    assert hits_among_nearest(torch.rand(2, 3), nothing, torch.tensor([0, 0])).tolist() == [0, 0]


def test_empty_matrices_have_a_value_for_each_query():
    distances, relevance = torch.empty(2, 0), torch.empty(2, 0, dtype=torch.bool)
    assert first_rank(distances, relevance).tolist() == [1, 1]
    assert hits_among_nearest(distances, relevance, torch.tensor([0, 0])).tolist() == [0, 0]


def test_what_is_infinitely_far_is_never_relevant():
    distances = torch.tensor([[torch.inf, 0.5]])
    assert relevant(distances, torch.tensor([[1.0, 1.0]])).tolist() == [[False, True]]


def test_labels_above_zero_are_relevant():
    labels = torch.tensor([[-1.0, 0.0, 0.2, 1.0]])
    assert relevant(torch.zeros(1, 4), labels).tolist() == [[False, False, True, True]]


def test_matrices_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"same shape.*\(2, 3\) and \(3, 2\)"):
        relevant(torch.zeros(2, 3), torch.zeros(3, 2))
