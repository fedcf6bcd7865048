from fractions import Fraction
from itertools import combinations
from math import exp

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from quaterion_core.dataset import SimilarityGroupSample
from quaterion_core.eval import GroupSampler, KNNAccuracy, MeanAveragePrecision, retrieval
from quaterion_core.eval.group import is_group_of_nearest
from quaterion_core.eval.ranking import first_rank
from quaterion_core.eval.scoring import score

TEMPERATURES = [None, 0.07, 1.0]


def clusters(count, seed):
    """Return embeddings around the centers of four overlapping groups."""
    generator = torch.Generator().manual_seed(seed)
    groups = torch.randint(4, (count,), generator=generator)
    centres = torch.randn(4, 5, generator=torch.Generator().manual_seed(99))
    return centres[groups] + torch.randn(count, 5, generator=generator), groups


def is_right_by_sklearn(train, train_groups, test, test_groups, k, temperature, metric):
    """Return whether scikit-learn gives the right class the highest probability, without ties."""
    weights = "uniform" if temperature is None else (lambda d: np.exp(-d / temperature))
    classifier = KNeighborsClassifier(k, weights=weights, metric=metric, algorithm="brute")
    classifier.fit(train.double().numpy(), train_groups.numpy())
    shares = classifier.predict_proba(test.double().numpy())
    own = (classifier.classes_ == test_groups.numpy()[:, None]).nonzero()[1]
    return [
        all(row[column] > share + 1e-9 for other, share in enumerate(row) if other != column)
        for row, column in zip(shares, own, strict=True)
    ]


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "manhattan"])
@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("k", [1, 2, 5, 40, 80])
def test_values_with_a_reference_are_those_of_scikit_learn(k, temperature, metric, table_model):
    train, train_groups = clusters(80, seed=0)
    test, test_groups = clusters(60, seed=1)
    samples = [SimilarityGroupSample(row, f"group {group}") for row, group in
               enumerate(torch.cat([test_groups, train_groups]).tolist())]  # fmt: skip
    sampler = GroupSampler(log_progress=False, reference=samples[60:])
    metrics = {"knn": KNNAccuracy(k, temperature, metric, reduce_func=None)}
    values = sampler.score(samples[:60], metrics, table_model(torch.cat([test, train])))["knn"]
    expected = is_right_by_sklearn(train, train_groups, test, test_groups, k, temperature, metric)
    assert values.bool().tolist() == expected
    assert 10 < sum(expected) < 60


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("k", [1, 4, 15, 69])
def test_values_within_a_dataset_are_those_of_scikit_learn_with_one_left_out(k, temperature):
    embeddings, groups = clusters(70, seed=2)
    expected = []
    for row in range(70):
        others = torch.arange(70) != row
        expected += is_right_by_sklearn(
            embeddings[others], groups[others], embeddings[row : row + 1], groups[row : row + 1],
            k, temperature, "cosine",
        )  # fmt: skip
    values = KNNAccuracy(k, temperature, reduce_func=None).compute(embeddings, groups)
    assert values.bool().tolist() == expected
    accuracy = KNNAccuracy(k, temperature).compute(embeddings, groups)
    assert accuracy.item() == pytest.approx(sum(expected) / 70)


def is_right_in_every_way(distances, own, groups, k, temperature):
    """Vote with every choice of k nearest objects that the distances allow."""
    ranked = sorted((d, g) for d, g in zip(distances, groups, strict=True) if d < float("inf"))
    nearest = ranked[:k]
    if not nearest:
        return False
    farthest = nearest[-1][0]
    certain = [pair for pair in ranked if pair[0] < farthest]
    tied = [pair for pair in ranked if pair[0] == farthest]
    for chosen in combinations(tied, len(nearest) - len(certain)):
        votes = dict.fromkeys([*groups, own], Fraction(0))
        for distance, group in [*certain, *chosen]:
            votes[group] += 1 if temperature is None else Fraction(exp(-distance / temperature))
        if any(votes[own] <= votes[group] for group in groups if group != own) or not votes[own]:
            return False
    return True


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("k", [1, 2, 3, 4, 7, 9])
@pytest.mark.parametrize("levels", [1, 2, 4])
def test_ties_are_to_the_disadvantage_of_the_model_in_every_way(levels, k, temperature):
    generator = torch.Generator().manual_seed(levels)
    distances = torch.randint(levels, (60, 8), generator=generator) / 8
    distances[::3, 0] = torch.inf
    groups = torch.randint(3, (8,), generator=generator)
    own = torch.randint(4, (60,), generator=generator)  # the last group is nobody else's
    expected = [
        is_right_in_every_way(row, group, groups.tolist(), k, temperature)
        for row, group in zip(distances.tolist(), own.tolist(), strict=True)
    ]
    assert is_group_of_nearest(distances, own, groups, k, temperature).tolist() == expected


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_the_order_of_objects_does_not_matter(temperature):
    """Two groups have the same distances, and so equally many votes, in whatever order."""
    generator = torch.Generator().manual_seed(0)
    same = torch.rand(50, generator=generator)
    distances, groups = same.repeat(1, 2), torch.tensor([7, 8]).repeat_interleave(50)
    for _ in range(20):
        order = torch.randperm(100, generator=generator)
        for own in (7, 8):
            is_right = is_group_of_nearest(
                distances[:, order], torch.tensor([own]), groups[order], 60, temperature
            )
            assert is_right.tolist() == [False]


def test_votes_by_hand():
    # Distances from the query: 0, 1 and 1 on a line. With temperature T the nearest has the vote 1
    # and the two others 2 exp(-1/T), which is less where T is below 1/ln 2 = 1.4427.
    distances, groups = torch.tensor([[0.0, 1.0, 1.0]]), torch.tensor([1, 2, 2])
    for temperature, expected in ((1.44, True), (1.45, False), (None, False)):
        is_right = is_group_of_nearest(distances, torch.tensor([1]), groups, 3, temperature)
        assert is_right.tolist() == [expected]


def test_one_neighbour_is_first_rank():
    embeddings, groups = clusters(50, seed=3)
    labels, distances = KNNAccuracy().precompute(embeddings, groups=groups)
    expected = first_rank(distances, labels > 0) == 1
    values = KNNAccuracy(reduce_func=None).compute(embeddings, groups)
    assert values.bool().tolist() == expected.tolist()


def test_a_query_whose_group_nobody_else_has_is_left_out():
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    values = KNNAccuracy(reduce_func=None).compute(embeddings, torch.tensor([1, 1, 2]))
    assert values.tolist() == [1.0, 1.0]
    assert KNNAccuracy().compute(embeddings, torch.tensor([1, 2, 3])).item() == 0


def test_an_object_does_not_vote_for_itself():
    # Each is nearest to one of the other group, and further k find the majority of the rest.
    embeddings = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    for k in (1, 3, 4, 10):
        metric = KNNAccuracy(k, distance_metric_name="euclidean", reduce_func=None)
        assert metric.compute(embeddings, torch.tensor([1, 2, 1, 2])).tolist() == [0.0] * 4


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_a_model_that_maps_everything_to_one_point_finds_nothing(temperature):
    groups = torch.tensor([1] * 5 + [2] * 5)
    for k in (1, 5, 9):
        assert KNNAccuracy(k, temperature).compute(torch.ones(10, 3), groups).item() == 0


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("k", [1, 4, 30, 39, 50])
def test_votes_of_the_search_are_those_of_all_distances_where_many_tie(k, temperature):
    generator = torch.Generator().manual_seed(k)
    embeddings = torch.randint(0, 4, (40, 2), generator=generator).float()
    groups = torch.randint(0, 3, (40,), generator=generator)
    metric = KNNAccuracy(k, temperature, "euclidean", reduce_func=None)
    distances = metric.distance.distance_matrix(embeddings).fill_diagonal_(torch.inf)
    expected = is_group_of_nearest(distances, groups, groups, k, temperature)
    scores = score({"knn": metric, "deep": MeanAveragePrecision("euclidean")},
                   retrieval.Retrieval(embeddings, {"groups": groups}))  # fmt: skip
    assert scores.values["knn"].bool().tolist() == expected.tolist()
    assert scores.query_values["knn"].tolist() == scores.values["knn"].tolist()


@pytest.mark.parametrize("rows", [1, 7])
def test_blocks_of_queries_change_nothing(rows, monkeypatch):
    embeddings, groups = clusters(40, seed=4)
    metric = KNNAccuracy(5, 0.2, reduce_func=None)
    expected = metric.compute(embeddings, groups)
    monkeypatch.setattr(retrieval, "MAX_BLOCK_ELEMENTS", 40 * rows)
    assert metric.compute(embeddings, groups).tolist() == expected.tolist()


@pytest.mark.parametrize("offset", [2**53, -(2**62)])
def test_neighbouring_large_groups_are_told_apart(offset):
    groups = torch.tensor([0, 0, 1, 1]) + offset
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    assert KNNAccuracy().compute(embeddings, groups).item() == 1
    assert KNNAccuracy(3).compute(embeddings, groups).item() == 0


def test_among_no_objects_nothing_is_right():
    nothing = torch.empty(2, 0), torch.tensor([1, 2]), torch.empty(0, dtype=torch.int64)
    assert is_group_of_nearest(*nothing, k=3).tolist() == [False, False]


@pytest.mark.parametrize("temperature", [0, -0.1, float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ValueError, match="Expected temperature to be positive"):
        KNNAccuracy(temperature=temperature)


def test_k_below_one_is_refused():
    with pytest.raises(ValueError, match="1 or more, got 0"):
        KNNAccuracy(k=0)


def test_a_matrix_of_queries_and_candidates_is_refused():
    labels, distances = KNNAccuracy().precompute(torch.eye(3), groups=torch.tensor([1, 1, 2]))
    with pytest.raises(TypeError, match="requires the group of each object.*GroupSampler"):
        KNNAccuracy().raw_compute(distances, labels)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_values_on_a_gpu_are_those_on_the_cpu():
    embeddings, groups = clusters(60, seed=5)
    metric = KNNAccuracy(9, 0.07, reduce_func=None)
    expected = metric.compute(embeddings, groups)
    assert metric.compute(embeddings.cuda(), groups.cuda()).tolist() == expected.tolist()
