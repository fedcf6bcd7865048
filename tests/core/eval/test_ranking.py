from operator import eq, ge

import pytest
import torch

from quaterion_core.eval import ranking as ranking_module
from quaterion_core.eval.ranking import Needs, first_rank, rank, rank_matrix, relevant
from quaterion_core.eval.relevance import DenseRelevance, SparseRelevance

EVERYTHING = Needs(nearest=3, nearest_relevant=True, first_rank=True, all_ranks=True)


def sorted_gains(scores, gains):
    """Return the gains of one query, best candidates first, of equal ones the lower gains first."""
    found = [(-score, gain) for score, gain in zip(scores.tolist(), gains.tolist(), strict=True)]
    return [gain for score, gain in sorted(found) if score < float("inf")]


@pytest.mark.parametrize("levels", [2, 4, 1000], ids=lambda levels: f"{levels} scores")
@pytest.mark.parametrize("objects", [1, 15, 200])
def test_rankings_agree_with_sorting_where_many_objects_tie(levels, objects):
    generator = torch.Generator().manual_seed(levels + objects)
    scores = torch.randint(0, levels, (20, objects), generator=generator).float()
    scores[torch.rand(20, objects, generator=generator) < 0.1] = -torch.inf
    gains = torch.randint(0, 3, (20, objects), generator=generator).float()
    gains *= (torch.rand(20, objects, generator=generator) < 0.5) & (scores > -torch.inf)
    ranking = rank(scores, DenseRelevance(gains), EVERYTHING)
    for row in range(20):
        expected = sorted_gains(scores[row], gains[row])
        width = min(ranking.gains.shape[1], len(expected))
        assert ranking.gains[row, :width].tolist() == expected[:width]
        assert ranking.found[row, width:].tolist() == [-1] * (ranking.found.shape[1] - width)
        ranks = [place for place, gain in enumerate(expected, 1) if gain > 0]
        assert ranking.relevant_count[row] == len(ranks)
        assert ranking.ranks[row, : len(ranks)].tolist() == ranks
        assert not ranking.ranks[row, len(ranks) :].any()
        assert ranking.first_rank[row] == (ranks[0] if ranks else 0)
        ideal = sorted((gain for gain in expected if gain > 0), reverse=True)[:3]
        assert ranking.ideal_gains(3)[row].tolist() == ideal + [0.0] * (3 - len(ideal))


@pytest.mark.parametrize("seed", range(3))
def test_the_first_rank_alone_is_that_of_all_ranks(seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, 9, (30, 50), generator=generator).float()
    relevance = DenseRelevance(torch.rand(30, 50, generator=generator) < 0.05)
    alone = rank(scores, relevance, Needs(nearest=2, first_rank=True)).first_rank
    assert alone.tolist() == rank(scores, relevance, Needs(all_ranks=True)).first_rank.tolist()


@pytest.mark.parametrize("way", ["_count_by_row", "_count_by_place"])
@pytest.mark.parametrize("compare", [ge, eq], ids=["at least", "equal"])
def test_scores_are_counted_alike_on_every_device(compare, way):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 9, (4, 300), generator=generator).float()
    scores[:, ::7] = -torch.inf
    scores[2, ::5] = torch.inf
    rows = torch.tensor([0, 1] + [2] * 3 + [3] * 100)
    limits = scores[rows, torch.randint(0, 300, (len(rows),), generator=generator)]
    limits[2] = torch.inf
    found = getattr(ranking_module, way)(scores, rows, limits, compare)
    expected = [
        sum(compare(score, limit) for score in scores[row].tolist())
        for row, limit in zip(rows.tolist(), limits.tolist(), strict=True)
    ]
    assert found.tolist() == expected


def test_what_was_not_asked_for_is_refused():
    ranking = rank(torch.rand(2, 3), DenseRelevance(torch.ones(2, 3)), Needs(nearest=1))
    with pytest.raises(RuntimeError, match="first_rank"):
        ranking.first_rank  # noqa: B018
    with pytest.raises(RuntimeError, match="all ranks"):
        ranking.ranks  # noqa: B018


def test_rank_where_nothing_is_relevant_is_behind_all_objects():
    assert first_rank(torch.rand(1, 7), torch.zeros(1, 7, dtype=torch.bool)).tolist() == [8]


def test_empty_matrices_have_a_value_for_each_query():
    distances, relevance = torch.empty(2, 0), torch.empty(2, 0, dtype=torch.bool)
    assert first_rank(distances, relevance).tolist() == [1, 1]
    ranking = rank_matrix(distances, relevance, EVERYTHING)
    assert ranking.gains.shape == (2, 0)
    assert ranking.relevant_count.tolist() == [0, 0]


@pytest.mark.parametrize("sets", [1, 3], ids=["one set each", "several sets"])
def test_sparse_relevance_is_that_of_a_matrix(sets):
    generator = torch.Generator().manual_seed(sets)
    queries, candidates = 12, 20
    itself = torch.full((queries,), -1)
    itself[:5] = torch.arange(5) + 3
    memberships = [
        torch.stack([torch.arange(size), torch.randint(0, 4, (size,), generator=generator)])
        for size in (queries, candidates)
        for _ in range(sets)
    ]
    of_queries = torch.cat(memberships[:sets], dim=1)
    of_candidates = torch.cat(memberships[sets:], dim=1)
    listed = torch.stack([
        torch.randint(0, size, (15,), generator=generator) for size in (queries, candidates)
    ])  # fmt: skip
    gains = torch.randint(0, 3, (15,), generator=generator).float()
    for pairs, values in ((None, None), (listed, gains)):
        expected = torch.zeros(queries, candidates)
        for query, of_query in of_queries.T.tolist():
            for candidate, of_candidate in of_candidates.T.tolist():
                if of_query == of_candidate:
                    expected[query, candidate] = 1
        if pairs is not None:
            for query, candidate in pairs.T.tolist():
                here = values[(pairs[0] == query) & (pairs[1] == candidate)]
                expected[query, candidate] = 0 if (here == 0).any() else here.max()
        expected[torch.arange(5), itself[:5]] = 0
        relevance = SparseRelevance(
            queries, candidates, itself, of_queries, of_candidates, pairs, values
        )
        for start, stop in ((0, 12), (4, 9), (11, 12)):
            block = relevance.block(start, stop)
            assert block.counts().tolist() == (expected[start:stop] > 0).sum(dim=1).tolist()
            everything = torch.arange(candidates).expand(stop - start, -1)
            assert block.gains(everything).tolist() == expected[start:stop].tolist()
            dense = torch.zeros(stop - start, candidates)
            rows, columns, listed_gains = block.listing()
            dense[rows, columns] = listed_gains
            assert dense.tolist() == expected[start:stop].tolist()
            assert (rows.diff() >= 0).all()


def test_what_is_infinitely_far_is_never_relevant():
    distances = torch.tensor([[torch.inf, 0.5]])
    assert relevant(distances, torch.tensor([[1.0, 1.0]])).tolist() == [[False, True]]


def test_labels_above_zero_are_relevant():
    labels = torch.tensor([[-1.0, 0.0, 0.2, 1.0]])
    assert relevant(torch.zeros(1, 4), labels).tolist() == [[False, False, True, True]]


def test_matrices_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"same shape.*\(2, 3\) and \(3, 2\)"):
        relevant(torch.zeros(2, 3), torch.zeros(3, 2))
