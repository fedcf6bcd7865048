"""Metrics of thresholds and triplets agree with scikit-learn and with counting."""

import itertools

import numpy as np
import pytest
import torch
from sklearn import metrics

from quaterion_core.eval import PairAccuracy, PairAveragePrecision, PairF1, PairMCC
from quaterion_core.eval.pair import triplet_accuracy


def best(function, labels, scores):
    thresholds = [np.inf, *np.unique(scores)]
    return max(function(labels, scores >= threshold) for threshold in thresholds)


@pytest.mark.parametrize("levels", [3, 1000], ids=["ties", "no ties"])
@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_scikit_learn(seed, levels):
    random = np.random.default_rng(seed)
    scores = random.integers(0, levels, 60) / levels
    labels = random.random(60) < 0.3
    given = torch.tensor(scores), torch.tensor(labels).float()
    for metric, function in (
        (PairAccuracy(), metrics.accuracy_score),
        (PairF1(), lambda *pair: metrics.f1_score(*pair, zero_division=0)),
        (PairMCC(), metrics.matthews_corrcoef),
    ):
        expected = best(function, labels, scores)
        assert metric.score(*given).item() == pytest.approx(expected, abs=1e-6)
    expected = metrics.average_precision_score(labels, scores)
    assert PairAveragePrecision().score(*given).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "expected"), [([0.0, 0.0], [1.0, 0.0, 0.0, 0.0]), ([1.0, 1.0], [1.0, 1.0, 0.0, 1.0])]
)
def test_pairs_of_one_kind_have_a_value(labels, expected):
    given = torch.tensor([0.3, 0.4]), torch.tensor(labels)
    kinds = PairAccuracy, PairF1, PairMCC, PairAveragePrecision
    assert [kind().score(*given).item() for kind in kinds] == expected


@pytest.mark.parametrize("seed", range(3))
def test_triplets_are_all_combinations_of_an_anchor(seed):
    generator = torch.Generator().manual_seed(seed)
    similarities = torch.randint(0, 6, (40,), generator=generator).float()
    is_positive = torch.rand(40, generator=generator) < 0.5
    anchors = torch.randint(0, 5, (40,), generator=generator)
    won = [
        similarities[i] > similarities[j]
        for i, j in itertools.permutations(range(40), 2)
        if anchors[i] == anchors[j] and is_positive[i] and not is_positive[j]
    ]
    value = triplet_accuracy(similarities, is_positive, anchors)
    assert value.item() == pytest.approx(sum(map(float, won)) / len(won))


def test_without_triplets_the_accuracy_is_zero():
    assert triplet_accuracy(torch.rand(3), torch.ones(3, dtype=torch.bool), torch.zeros(3)) == 0
