from itertools import product

import pytest
import torch
from pytorch_metric_learning import losses, miners, reducers
from pytorch_metric_learning.distances import CosineSimilarity

from quaterion_core.loss import TripletLoss

# Distances: 0-1: 1, 0-1.5: 1.5, 0-3.5: 3.5, 1-1.5: 0.5, 1-3.5: 2.5, 1.5-3.5: 2.
LINE = torch.tensor([[0.0], [1.0], [1.5], [3.5]])
GROUPS = torch.tensor([7, 7, 8, 8])


def on_line(**kwargs):
    return TripletLoss(**{"margin": 1.0, "distance_metric_name": "euclidean", **kwargs})


def batch(count=24, groups=5, size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(count, size, dtype=torch.float64, generator=generator)
    return embeddings, torch.randint(0, groups, (count,), generator=generator)


def test_all_triplets_worked_by_hand():
    # 0: 1 - 1.5 + 1 = 0.5 and 1 - 3.5 + 1 < 0;  1: 1 - 0.5 + 1 = 1.5 and 1 - 2.5 + 1 < 0
    # 1.5: 2 - 1.5 + 1 = 1.5 and 2 - 0.5 + 1 = 2.5;  3.5: 2 - 3.5 + 1 < 0 and 2 - 2.5 + 1 = 0.5
    expected = (0.5 + 1.5 + 1.5 + 2.5 + 0.5) / 5
    assert on_line(mining="all")(LINE, GROUPS).item() == pytest.approx(expected)


def test_semi_hard_triplets_worked_by_hand():
    # Of these, the negative is further than the positive for 0 (1.5 > 1) and 3.5 (2.5 > 2) alone.
    assert on_line(mining="semi_hard")(LINE, GROUPS).item() == pytest.approx((0.5 + 0.5) / 2)


def test_hard_triplets_worked_by_hand():
    # Positive and negative: 0: 1, 1.5;  1: 1, 0.5;  1.5: 2, 0.5;  3.5: 2, 2.5.  Mean negative 1.25.
    expected = ((-0.5 + 0.5 + 1.5 - 0.5) / 1.25 + 4 * 1) / 4
    assert on_line()(LINE, GROUPS).item() == pytest.approx(expected)


def test_hard_triplets_that_hold_the_margin_cost_nothing():
    # As above with the margin 0.2: -0.5/1.25 + 0.2 < 0 for two of them.
    expected = (0.5 / 1.25 + 0.2 + 1.5 / 1.25 + 0.2) / 4
    assert on_line(margin=0.2)(LINE, GROUPS).item() == pytest.approx(expected)


def test_soft_triplets_worked_by_hand():
    # log(1 + e^-0.5) = 0.474077 twice, log(1 + e^0.5) = 0.974077, log(1 + e^1.5) = 1.701413
    expected = (2 * 0.474077 + 0.974077 + 1.701413) / 4
    assert on_line(soft=True)(LINE, GROUPS).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("mining", "expected"), [("all", 1.0), ("hard", (0.5 + 1.5) / 2)])
def test_an_object_without_a_positive_is_no_anchor(mining, expected):
    # all: 0: 1 - 1.5 + 1 = 0.5 and 1: 1 - 0.5 + 1 = 1.5.
    # hard: negatives at 1.5 and 0.5, mean 1: (1 - 1.5)/1 + 1 = 0.5 and (1 - 0.5)/1 + 1 = 1.5.
    assert on_line(mining=mining)(LINE[:3], GROUPS[:3]).item() == pytest.approx(expected)


def test_a_triplet_that_just_holds_the_margin_is_not_counted():
    # 0: 1 - 2 + 1 = 0;  1: 1 - 1 + 1 = 1. The mean is over the second alone.
    line = torch.tensor([[0.0], [1.0], [2.0]])
    assert on_line(mining="all")(line, GROUPS[:3]).item() == 1.0


def test_a_negative_as_near_as_the_positive_is_too_hard_for_semi_hard():
    # 0: positive and negative at 1.  1: positive at 1, negative at 2: 1 - 2 + 1.5 = 0.5.
    line = torch.tensor([[0.0], [1.0], [-1.0]])
    assert on_line(mining="semi_hard", margin=1.5)(line, GROUPS[:3]).item() == 0.5


@pytest.mark.parametrize("mining", ["all", "semi_hard"])
@pytest.mark.parametrize("seed", range(4))
def test_mined_triplets_are_those_found_one_by_one(mining, seed):
    """Semi-hard took positives and negatives of different anchors, and pairs of one object."""
    embeddings, groups = batch(seed=seed)
    distances = torch.cdist(embeddings, embeddings)
    found = []
    for a, p, n in product(range(len(groups)), repeat=3):
        if a != p and groups[a] == groups[p] != groups[n]:
            value = distances[a, p] - distances[a, n] + 0.5
            if value > 0 and (mining == "all" or distances[a, n] > distances[a, p]):
                found.append(value)
    loss = TripletLoss(mining=mining, distance_metric_name="euclidean")
    torch.testing.assert_close(loss(embeddings, groups), torch.stack(found).mean())


def test_semi_hard_triplets_all_have_a_gradient():
    """The clamp to [0, margin] cut the gradient of what was at its ends."""
    line = LINE.clone().requires_grad_()
    on_line(mining="semi_hard")(line, GROUPS).backward()
    # Triplets (0, 1, 1.5) and (3.5, 1.5, 1), each with weight 1/2: d(a, p) - d(a, n) has the
    # gradient (0, 1, -1) for the first, and (1.5: -1, 1: +1) for the second.
    assert line.grad.flatten().tolist() == pytest.approx([0.0, 1.0, -1.0, 0.0])


def test_all_triplets_agree_with_pytorch_metric_learning():
    embeddings, groups = batch()
    reference = losses.TripletMarginLoss(margin=0.5, distance=CosineSimilarity())
    check_against(TripletLoss(mining="all"), lambda x: reference(x, groups), embeddings, groups)


def test_semi_hard_triplets_agree_with_pytorch_metric_learning():
    embeddings, groups = batch()
    reference = losses.TripletMarginLoss(margin=0.5, distance=CosineSimilarity())
    miner = miners.TripletMarginMiner(
        margin=0.5, type_of_triplets="semihard", distance=CosineSimilarity()
    )
    check_against(
        TripletLoss(mining="semi_hard"),
        lambda x: reference(x, groups, miner(x, groups)),
        embeddings,
        groups,
    )


def test_soft_triplets_agree_with_pytorch_metric_learning():
    embeddings, groups = batch()
    reference = losses.TripletMarginLoss(
        margin=0,
        smooth_loss=True,
        distance=CosineSimilarity(),
        reducer=reducers.MeanReducer(),
    )
    miner = miners.BatchHardMiner(distance=CosineSimilarity())
    check_against(
        TripletLoss(soft=True),
        lambda x: reference(x, groups, miner(x, groups)),
        embeddings,
        groups,
    )


def check_against(loss, reference, embeddings, groups):
    ours, theirs = embeddings.clone().requires_grad_(), embeddings.clone().requires_grad_()
    value, expected = loss(ours, groups), reference(theirs)
    assert expected > 0
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_hard_triplets_do_not_change_with_the_scale_of_the_distances():
    embeddings, groups = batch()
    loss = TripletLoss(distance_metric_name="euclidean")
    torch.testing.assert_close(loss(1000 * embeddings, groups), loss(embeddings, groups))


def test_hard_triplets_of_collapsed_embeddings_cost_the_margin():
    """They were 0/0."""
    embeddings = torch.ones(4, 3, requires_grad=True)
    value = TripletLoss(margin=0.3)(embeddings, GROUPS)
    value.backward()
    assert value.item() == pytest.approx(0.3, abs=1e-2)
    assert torch.isfinite(embeddings.grad).all()


def test_hard_triplets_of_dot_products_pull_the_right_way():
    """Their distances are negative, and dividing by a negative mean would turn the loss round."""
    embeddings = torch.tensor([[2.0, 0.0], [1.0, 1.0], [2.0, 1.0]], requires_grad=True)
    groups = torch.tensor([7, 7, 8])
    loss = TripletLoss(distance_metric_name="dot_product")
    value = loss(embeddings, groups)
    # To the positive -2, -2; to the negative -4, -3, mean -3.5.
    assert value.item() == pytest.approx(((2 / 3.5 + 0.5) + (1 / 3.5 + 0.5)) / 2)


@pytest.mark.parametrize("mining", ["all", "hard"])
def test_billions_of_triplets_are_counted_right(mining):
    """2048 anchors × 1023 positives × 1024 negatives are more than an int32 or memory holds."""
    embeddings = torch.eye(2).repeat_interleave(1024, dim=0)
    groups = torch.tensor([7, 8]).repeat_interleave(1024)
    # Positives at 0, negatives at 1: each triplet costs 0 - 1 + 1.5.
    assert TripletLoss(margin=1.5, mining=mining)(embeddings, groups).item() == pytest.approx(0.5)


@pytest.mark.parametrize("mining", ["all", "semi_hard"])
def test_blocks_of_anchors_do_not_change_the_loss(mining, monkeypatch):
    embeddings, groups = batch()
    loss = TripletLoss(mining=mining)
    expected = loss(embeddings, groups)
    monkeypatch.setattr("quaterion_core.loss.triplet_loss._SORTED_VALUES", 24 * 7)
    torch.testing.assert_close(loss(embeddings, groups), expected)


@pytest.mark.parametrize("kwargs", [{"mining": "all"}, {"mining": "semi_hard"}, {"soft": True}])
def test_the_memory_stands_for_positives_and_negatives(kwargs):
    # Anchor 0 with the memory 1 (same group) and 1.5: the first triplets worked by hand above.
    loss = on_line(**kwargs)
    value = loss.xbm_loss(LINE[:1], GROUPS[:1], LINE[1:3], GROUPS[1:3])
    expected = 0.474077 if kwargs.get("soft") else 0.5
    assert value.item() == pytest.approx(expected, abs=1e-6)


def test_an_unknown_mining_is_refused():
    with pytest.raises(ValueError, match="one of all, hard, semi_hard, got 'semi'"):
        TripletLoss(mining="semi")


def test_soft_without_hard_mining_is_refused_rather_than_ignored():
    with pytest.raises(ValueError, match="Expected mining='hard' with soft=True"):
        TripletLoss(mining="all", soft=True)


def test_a_negative_margin_is_refused():
    with pytest.raises(ValueError, match=r"Expected a margin of at least 0, got -0\.1"):
        TripletLoss(margin=-0.1)
