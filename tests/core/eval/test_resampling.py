"""Intervals of metrics that are no means over queries: they cover, and are not fooled by copies."""

import pytest
import torch

from quaterion_core.eval import TripletAccuracy
from quaterion_core.eval.pair import PearsonCorrelation
from quaterion_core.eval.retrieval import Retrieval
from quaterion_core.eval.statistics import quantile_interval
from quaterion_core.eval.verification import PairF1, PairRocAuc, RocAuc, TarAtFar

NO_SUBGROUP = torch.iinfo(torch.int64).min


def of_pairs(embeddings, pairs, labels, objects=None):
    targets = {
        "labels": torch.as_tensor(labels, dtype=torch.float32),
        "pairs": torch.as_tensor(pairs),
        "subgroups": torch.full((len(embeddings),), NO_SUBGROUP),
        "objects": torch.arange(len(embeddings)) if objects is None else torch.as_tensor(objects),
    }
    return Retrieval.of_samples(embeddings, targets)


def width(values):
    low, high = quantile_interval(values[~values.isnan()])
    return high - low


@pytest.fixture
def scored():
    """200 pairs of different objects, whose similarity says something of the label."""
    generator = torch.Generator().manual_seed(0)
    labels = (torch.arange(200) % 2).float()
    angle = torch.randn(200, generator=generator) * 0.5 + 1.2 - 0.4 * labels
    first = torch.tensor([[1.0, 0.0]]).expand(200, 2)
    second = torch.stack([angle.cos(), angle.sin()], dim=1)
    pairs = torch.stack([torch.arange(200), torch.arange(200) + 200], dim=1)
    return torch.cat([first, second]), pairs, labels


@pytest.mark.parametrize("metric", [PairRocAuc(), PairF1(), PearsonCorrelation()])
def test_repeated_pairs_do_not_narrow_an_interval(metric, scored):
    embeddings, pairs, labels = scored
    once = of_pairs(embeddings, pairs, labels)
    copies = of_pairs(
        embeddings.repeat(4, 1),
        torch.cat([pairs + 400 * n for n in range(4)]),
        labels.repeat(4),
        torch.arange(400).repeat(4),
    )
    assert metric.of_retrieval(copies) == pytest.approx(float(metric.of_retrieval(once)), abs=1e-6)
    assert width(metric.resampled(copies)) == pytest.approx(width(metric.resampled(once)), rel=0.1)


def test_an_interval_needs_two_matches_and_two_others(scored):
    embeddings, pairs, _ = scored
    one_match = torch.zeros(200)
    one_match[3] = 1
    for labels in (one_match, 1 - one_match):
        assert PairF1().resampled(of_pairs(embeddings, pairs, labels)) is None
    one_match[7] = 1
    found = PairF1().resampled(of_pairs(embeddings, pairs, one_match))
    # Samples without a match have no value: both are left out with the probability (1 - 2/200)^200.
    assert float(found.isnan().float().mean()) == pytest.approx(0.134, abs=0.03)


def test_negatives_in_common_do_not_make_queries_one_cluster(scored):
    embeddings, pairs, _ = scored
    negatives = torch.stack([torch.arange(200), torch.full((200,), 200)], dim=1)
    labels = torch.cat([torch.ones(200), torch.zeros(200)])
    found = of_pairs(embeddings, torch.cat([pairs[1:], negatives[1:]]), labels[1:-1])
    assert PairRocAuc().resampled(found) is not None


def test_intervals_of_triplet_accuracy_cover_the_true_share():
    generator = torch.Generator().manual_seed(0)
    covered, anchors, negatives = 0, 60, 5
    for _ in range(100):
        # The positive of an anchor is nearer than each negative with the anchor's own probability.
        share = torch.rand(anchors, 1, generator=generator)
        is_right = torch.rand(anchors, negatives, generator=generator) < share
        near, middle, far = torch.tensor([[1.0, 0.1], [1.0, 0.5], [1.0, 1.0]])
        others = torch.where(is_right.unsqueeze(2), far, near).reshape(-1, 2)
        embeddings = torch.cat(
            [torch.tensor([[1.0, 0.0]]).expand(anchors, 2), middle.expand(anchors, 2), others]
        )
        first = torch.arange(anchors)
        pairs = [torch.stack([first, first + anchors], dim=1)]
        pairs.append(
            torch.stack(
                [first.repeat_interleave(negatives), torch.arange(len(others)) + 2 * anchors], dim=1
            )
        )
        labels = torch.cat([torch.ones(anchors), torch.zeros(len(others))])
        found = of_pairs(embeddings, torch.cat(pairs), labels)
        low, high = quantile_interval(TripletAccuracy().resampled(found))
        covered += low <= 0.5 <= high
    assert covered >= 87


def of_groups(groups, members, generator):
    centres = torch.randn(groups, 4, generator=generator)
    spread = torch.rand(groups, 1, 1, generator=generator) * 2
    objects = centres.unsqueeze(1) + spread * torch.randn(groups, members, 4, generator=generator)
    labels = torch.arange(groups).repeat_interleave(members)
    return Retrieval(objects.reshape(-1, 4), {"groups": labels})


@pytest.mark.parametrize("metric", [RocAuc(), TarAtFar(far=0.1)], ids=["auc", "tar"])
def test_intervals_over_groups_cover_where_those_over_pairs_would_not(metric):
    generator = torch.Generator().manual_seed(0)
    truth = float(metric.of_retrieval(of_groups(800, 4, generator)))
    covered = 0
    for _ in range(60):
        found = metric.resampled(of_groups(30, 4, generator))
        low, high = quantile_interval(found[~found.isnan()])
        covered += low <= truth <= high
    assert covered >= 51


def test_samples_of_groups_are_those_of_drawing_groups():
    generator = torch.Generator().manual_seed(1)
    retrieval = of_groups(20, 5, generator)
    found = RocAuc().resampled(retrieval)
    embeddings = torch.nn.functional.normalize(retrieval._embeddings)
    similarity, groups = embeddings @ embeddings.T, retrieval.targets["groups"]
    expected = []
    for _ in range(400):
        drawn = torch.randint(0, 20, (20,), generator=generator)
        rows = torch.cat([(groups == group).nonzero().squeeze(1) for group in drawn])
        copy = torch.arange(20).repeat_interleave(5)
        is_match = copy.unsqueeze(1) == copy
        is_new = torch.ones(100, 100, dtype=torch.bool).triu(1)
        # Pairs of two copies of a group are pairs of an object and itself or of its own group.
        is_new &= is_match | (groups[rows].unsqueeze(1) != groups[rows])
        scores = similarity[rows][:, rows][is_new]
        match = is_match[is_new]
        order = scores.argsort()
        ranks = torch.empty(len(scores))
        ranks[order] = torch.arange(1.0, len(scores) + 1)
        positives = int(match.sum())
        area = ranks[match].sum() - positives * (positives + 1) / 2
        expected.append(float(area) / positives / (len(scores) - positives))
    expected = torch.tensor(expected)
    assert float(found.mean()) == pytest.approx(float(expected.mean()), abs=0.005)
    assert float(found.std()) == pytest.approx(float(expected.std()), rel=0.12)


def test_a_single_group_has_no_interval():
    retrieval = Retrieval(torch.randn(6, 2), {"groups": torch.ones(6, dtype=torch.int64)})
    assert RocAuc().resampled(retrieval) is None
