"""N-way one-shot accuracy."""

import importlib
import random
from itertools import combinations, product

import pytest
import torch

from quaterion_core.dataset import SimilarityGroupSample
from quaterion_core.eval import Evaluator, GroupSampler, RetrievalPrecision
from quaterion_core.eval import retrieval as retrieval_module
from quaterion_cv import OneShotAccuracy
from quaterion_cv.metrics.one_shot_accuracy import one_shot_accuracy

GROUPS = torch.tensor([5, -2, 8, 5, 5, 0, 8, 0, -2, 5, 3])  # the last is alone in its group
OTHER_GROUPS = 4


def embeddings():
    """Return embeddings with small integer coordinates, so that many distances are equal."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(-3, 4, (len(GROUPS), 2), generator=generator).float()


def metric(ways, reduce_func=None):
    return OneShotAccuracy(ways, "manhattan", reduce_func)


def all_distances():
    vectors = embeddings()
    distances = (vectors.unsqueeze(1) - vectors.unsqueeze(0)).abs().sum(dim=2)
    return distances.fill_diagonal_(torch.inf)


def members_of(candidates):
    return {
        group: [n for n in candidates if GROUPS[n] == group]
        for group in GROUPS[candidates].tolist()
    }


def share_of_right_episodes(query, candidates, ways):
    """Return the accuracy over all episodes of a query, for each set of other groups."""
    row, members = all_distances()[query].tolist(), members_of(candidates)
    own = [n for n in members.pop(int(GROUPS[query]), []) if n != query]
    of_sets = []
    for groups in combinations(members, min(ways - 1, len(members))):
        episodes = list(product(own, *(members[group] for group in groups)))
        right = [all(row[shown] < row[n] for n in others) for shown, *others in episodes]
        of_sets.append(sum(right) / len(right) if right else None)
    return None if None in of_sets else sum(of_sets) / len(of_sets)


def shares_of_right_episodes(queries, candidates, ways):
    shares = [share_of_right_episodes(query, candidates, ways) for query in queries]
    return [share for share in shares if share is not None]


@pytest.mark.parametrize("ways", [2, 3, 4, OTHER_GROUPS + 1])
def test_it_is_the_mean_over_all_episodes(ways):
    everything = range(len(GROUPS))
    expected = shares_of_right_episodes(everything, everything, ways)
    assert len(expected) == len(GROUPS) - 1
    torch.testing.assert_close(metric(ways).compute(embeddings(), GROUPS), torch.tensor(expected))


def test_the_value_is_the_mean_over_all_queries():
    everything = range(len(GROUPS))
    expected = torch.tensor(shares_of_right_episodes(everything, everything, 3)).mean()
    value = metric(3, reduce_func=torch.mean).compute(embeddings(), GROUPS)
    torch.testing.assert_close(value, expected)


def test_it_is_what_drawing_episodes_comes_near_to():
    generator = random.Random(0)
    row, members = all_distances()[0].tolist(), members_of(range(len(GROUPS)))
    own = [n for n in members.pop(int(GROUPS[0])) if n != 0]
    right, episodes = 0, 20_000
    for _ in range(episodes):
        shown = row[generator.choice(own)]
        others = generator.sample(list(members.values()), 2)
        right += all(shown < row[generator.choice(objects)] for objects in others)
    value = metric(3).compute(embeddings(), GROUPS)[0]
    assert 0.1 < value < 0.9
    assert value.item() == pytest.approx(right / episodes, abs=0.02)  # 0.0035 is one deviation


def test_where_there_are_fewer_groups_than_ways_all_take_part():
    expected = metric(OTHER_GROUPS + 1).compute(embeddings(), GROUPS)
    assert torch.equal(metric(20).compute(embeddings(), GROUPS), expected)


def test_with_one_group_there_is_nothing_to_confuse():
    assert metric(2, torch.mean).compute(embeddings()[:3], torch.zeros(3, dtype=torch.int64)) == 1


def test_without_two_objects_of_a_group_the_value_is_0():
    assert metric(2, torch.mean).compute(embeddings()[:3], torch.arange(3)) == 0


def test_groups_of_one_other_object_each_make_it_a_matter_of_the_nearest():
    """With all groups in every episode, one-shot accuracy is nearest-neighbor accuracy."""
    distances = torch.rand(8, 8, generator=torch.Generator().manual_seed(0)) - 0.3 * torch.eye(8)
    groups, labels = torch.arange(8), torch.eye(8, dtype=torch.bool)
    is_nearest = RetrievalPrecision(k=1, reduce_func=None).query_values(distances, labels)
    values = one_shot_accuracy(distances, groups, groups, ways=20)
    assert 0 < values.mean() < 1
    assert torch.equal(values, is_nearest)


def test_a_model_that_maps_everything_to_one_point_is_never_right():
    assert metric(2, torch.mean).compute(torch.ones(len(GROUPS), 2), GROUPS) == 0


def test_a_perfect_model_is_always_right():
    one_hot = torch.nn.functional.one_hot(GROUPS + 2).float()
    assert OneShotAccuracy().compute(one_hot, GROUPS) == 1


def test_many_groups_are_told_in_closed_form():
    """If half of each other group is farther, k others are all farther with probability 2^-k."""
    groups = torch.tensor([0]).repeat(2).tolist() + [g for g in range(1, 1001) for _ in range(2)]
    distances = torch.tensor([[torch.inf, 2.0, *[1.0, 3.0] * 1000]], dtype=torch.float64)
    for ways in (2, 20, 300):
        value = one_shot_accuracy(distances, torch.tensor([0]), torch.tensor(groups), ways)
        assert value.item() == pytest.approx(0.5 ** (ways - 1), rel=1e-9)


def test_parts_change_nothing(monkeypatch):
    expected = metric(3).compute(embeddings(), GROUPS)
    monkeypatch.setattr(retrieval_module, "MAX_BLOCK_ELEMENTS", 3 * len(GROUPS))
    assert torch.equal(metric(3).compute(embeddings(), GROUPS), expected)
    module = importlib.import_module("quaterion_cv.metrics.one_shot_accuracy")
    monkeypatch.setattr(module, "_MAX_ELEMENTS", 1)
    torch.testing.assert_close(metric(3).compute(embeddings(), GROUPS), expected)


class Table:
    """A model that knows the embedding of each row."""

    def encode(self, rows, batch_size, to_numpy):
        return embeddings()[torch.tensor(rows)]


def samples(rows):
    return [SimilarityGroupSample(row, GROUPS[row].item()) for row in rows]


def test_a_part_of_the_objects_can_query_all():
    sampler = GroupSampler(sample_size=4, log_progress=False)
    everything = range(len(GROUPS))
    chosen = torch.randperm(len(GROUPS), generator=torch.Generator().manual_seed(0))[:4].tolist()
    values = Evaluator({"value": metric(3)}, sampler).evaluate(samples(everything), Table())
    expected = torch.tensor(shares_of_right_episodes(chosen, everything, 3))
    torch.testing.assert_close(values["value"].sort().values, expected.sort().values)


def test_the_objects_of_a_reference_are_shown():
    queries, shown = range(4), range(4, len(GROUPS))
    sampler = GroupSampler(log_progress=False, reference=samples(shown))
    values = Evaluator({"value": metric(3)}, sampler).evaluate(samples(queries), Table())
    expected = torch.tensor(shares_of_right_episodes(queries, shown, 3))
    torch.testing.assert_close(values["value"], expected)


def test_where_nothing_is_shown_the_value_is_0():
    nothing = torch.zeros(0, dtype=torch.int64)
    values = one_shot_accuracy(torch.zeros(2, 0), torch.tensor([1, 2]), nothing, ways=2)
    assert values.tolist() == [0, 0]


def test_a_matrix_of_labels_does_not_show_the_other_groups():
    labels, distances = metric(2).precompute(embeddings(), groups=GROUPS)
    with pytest.raises(TypeError, match="Evaluate it with GroupSampler"):
        metric(2).raw_compute(distances, labels)


@pytest.mark.parametrize("ways", [1, 0, -3])
def test_too_few_ways_are_refused(ways):
    with pytest.raises(ValueError, match=f"2 or more, got {ways}"):
        OneShotAccuracy(ways)
    with pytest.raises(ValueError, match=f"2 or more, got {ways}"):
        one_shot_accuracy(torch.zeros(1, 1), torch.zeros(1), torch.zeros(1), ways)


def test_a_configuration_keeps_what_is_not_a_default():
    again = OneShotAccuracy.from_config(metric(5).get_config_dict())
    assert (again.ways, again.distance_metric_name, again.reduce_func) == (5, "manhattan", None)
