import pytest
import torch

from quaterion_core.loss import BatchHardTripletLoss

# Distances: 0-1: 1, 0-1.5: 1.5, 0-3.5: 3.5, 1-1.5: 0.5, 1-3.5: 2.5, 1.5-3.5: 2.
LINE = torch.tensor([[0.0], [1.0], [1.5], [3.5]])
GROUPS = torch.tensor([7, 7, 8, 8])


def test_worked_by_hand():
    # Positive and negative: 0: 1, 1.5;  1: 1, 0.5;  1.5: 2, 0.5;  3.5: 2, 2.5.
    expected = (0.5 + 1.5 + 2.5 + 0.5) / 4
    assert BatchHardTripletLoss(margin=1.0)(LINE, GROUPS).item() == pytest.approx(expected)
    expected = (0.7 + 1.7) / 4  # those of 0 and 3.5 hold the margin 0.2
    assert BatchHardTripletLoss()(LINE, GROUPS).item() == pytest.approx(expected)


def test_an_object_without_a_positive_is_no_anchor():
    loss = BatchHardTripletLoss(margin=1.0)(LINE[:3], GROUPS[:3])
    assert loss.item() == pytest.approx((0.5 + 1.5) / 2)


def test_distances_are_not_divided_by_their_mean():
    loss = BatchHardTripletLoss(margin=0.0)
    assert loss(10 * LINE, GROUPS).item() == pytest.approx(10 * loss(LINE, GROUPS).item())


def test_anchors_of_the_batch_meet_a_memory():
    value = BatchHardTripletLoss(margin=1.0).xbm_loss(LINE[:1], GROUPS[:1], LINE[1:], GROUPS[1:])
    assert value.item() == pytest.approx(1 - 1.5 + 1)


def test_a_negative_margin_is_refused():
    with pytest.raises(ValueError, match="Expected a margin of at least 0, got -1"):
        BatchHardTripletLoss(margin=-1.0)
