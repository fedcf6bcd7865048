import math

import pytest
import torch
from pytorch_metric_learning import losses as peers

from quaterion_core.loss import ArcFaceLoss
from quaterion_core.storage import load_module, save_module
from quaterion_cv import SubCenterArcFaceLoss


def vectors(count, size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, dtype=torch.float64, generator=generator)


def test_worked_by_hand():
    loss = SubCenterArcFaceLoss(2, num_groups=2, sub_centers=2, scale=4.0, margin=0.5)
    with torch.no_grad():
        loss.weight.copy_(torch.tensor([[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
    loss.group_index(torch.tensor([7, 8]))
    angle = 0.4  # from the second centre of 7; the nearest centre of 8 is at a right angle to it
    value = loss(2 * torch.tensor([[math.cos(angle), math.sin(angle)]]), torch.tensor([7]))
    own, other = 4 * math.cos(angle + 0.5), 4 * math.sin(angle)
    assert value.item() == pytest.approx(math.log(1 + math.exp(other - own)), rel=1e-5)


def test_it_agrees_with_pytorch_metric_learning():
    reference = peers.SubCenterArcFaceLoss(
        num_classes=5, embedding_size=8, margin=math.degrees(0.5), scale=64, sub_centers=3
    ).double()
    loss = SubCenterArcFaceLoss(8, 5, sub_centers=3).double()
    with torch.no_grad():
        loss.weight.copy_(reference.W.T)
    groups = torch.arange(24) % 5
    ours, theirs = vectors(24).requires_grad_(), vectors(24).requires_grad_()
    value, expected = loss(ours, groups), reference(theirs, groups)
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(loss.weight.grad, reference.W.grad.T)


def test_with_one_center_it_is_arcface_loss():
    one, arcface = SubCenterArcFaceLoss(8, 5, sub_centers=1), ArcFaceLoss(8, 5)
    arcface.load_state_dict(one.state_dict())
    groups = torch.arange(12) % 5
    embeddings = vectors(12).float()
    torch.testing.assert_close(one(embeddings, groups), arcface(embeddings, groups))


def test_centers_and_the_groups_they_belong_to_are_saved(tmp_path):
    loss, groups = SubCenterArcFaceLoss(8, 5, sub_centers=2), torch.tensor([40, -3, 12])
    embeddings = vectors(3).float()
    expected = loss(embeddings, groups)
    save_module(loss, tmp_path)
    assert load_module(SubCenterArcFaceLoss, tmp_path).eval()(embeddings, groups) == expected


def test_a_number_of_centers_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="Expected sub_centers to be positive, got 0"):
        SubCenterArcFaceLoss(8, 5, sub_centers=0)
