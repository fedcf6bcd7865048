import pytest
import torch
from pytorch_metric_learning import losses, miners, reducers
from pytorch_metric_learning.distances import CosineSimilarity

from quaterion_core.loss import OnlineContrastiveLoss

LINE = torch.tensor([[0.0], [1.0], [1.5]])
GROUPS = torch.tensor([7, 7, 8])


def on_line(**kwargs):
    return OnlineContrastiveLoss(margin=1.0, distance_metric_name="euclidean", **kwargs)


def test_all_pairs_worked_by_hand():
    # Positive, both ways: 1, 1. Negative, both ways: 1 - 1.5 < 0 costs 0, 1 - 0.5 = 0.5.
    expected = ((1 + 1) / 2 + (0 + 0 + 0.5 + 0.5) / 4) / 2
    assert on_line(mining="all")(LINE, GROUPS).item() == pytest.approx(expected)


def test_hard_pairs_worked_by_hand():
    # Furthest positives: 1, 1. Nearest negatives: 1.5 costs 0, then 0.5 and 0.5.
    expected = ((1 + 1) / 2 + (0 + 0.5 + 0.5) / 3) / 2
    assert on_line(mining="hard")(LINE, GROUPS).item() == pytest.approx(expected)


def test_hard_negatives_are_pushed_apart():
    """Each object was once its own nearest negative, so that gradients were zero."""
    line = LINE.clone().requires_grad_()
    on_line(mining="hard")(line, torch.tensor([7, 8, 9])).backward()
    # The nearest of 0 is at 1, far enough. 1 and 1.5 are each other's nearest: twice 1 - (1.5 - 1),
    # with the weight 1/2 · 1/3.
    assert line.grad.flatten().tolist() == pytest.approx([0.0, 1 / 3, -1 / 3])


@pytest.mark.parametrize("mining", ["all", "hard"])
def test_one_group_costs_its_positive_distances(mining):
    assert on_line(mining=mining)(LINE[:2], GROUPS[:2]).item() == pytest.approx(1 / 2)


@pytest.mark.parametrize("mining", ["all", "hard"])
def test_lone_objects_cost_what_they_are_too_near(mining):
    value = on_line(mining=mining)(LINE[1:], GROUPS[1:])
    assert value.item() == pytest.approx(0.5 / 2)


@pytest.mark.parametrize("mining", ["all", "hard"])
def test_pairs_agree_with_pytorch_metric_learning(mining):
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(24, 8, dtype=torch.float64, generator=generator)
    groups = torch.randint(0, 5, (24,), generator=generator)
    # Their margins are similarities: cosines above 1 - margin are too near.
    reference = losses.ContrastiveLoss(
        pos_margin=1.0,
        neg_margin=1.0 - 0.8,
        distance=CosineSimilarity(),
        reducer=reducers.MeanReducer(),
    )
    miner = miners.BatchHardMiner(distance=CosineSimilarity()) if mining == "hard" else None
    ours, theirs = embeddings.clone().requires_grad_(), embeddings.clone().requires_grad_()
    value = OnlineContrastiveLoss(margin=0.8, mining=mining)(ours, groups)
    expected = 0.5 * reference(theirs, groups, miner and miner(theirs, groups))
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("mining", ["all", "hard"])
def test_the_memory_stands_for_positives_and_negatives(mining):
    # 1 of the group 7 against 0 (7) and 1.5 (8): positive 1, negative 1 - 0.5.
    value = on_line(mining=mining).xbm_loss(LINE[1:2], GROUPS[1:2], LINE[::2], GROUPS[::2])
    assert value.item() == pytest.approx((1 + 0.5) / 2)


def test_an_unknown_mining_is_refused():
    with pytest.raises(ValueError, match="one of all, hard, got 'semi_hard'"):
        OnlineContrastiveLoss(mining="semi_hard")
