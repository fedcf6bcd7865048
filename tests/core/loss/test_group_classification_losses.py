"""Softmax, ArcFace and CosFace loss, and what they share with center loss."""

import math
from itertools import pairwise

import pytest
import torch
from pytorch_metric_learning import losses

from quaterion_core.loss import ArcFaceLoss, CenterLoss, CosFaceLoss, SoftmaxLoss
from quaterion_core.storage import load_module, save_module

CLASSIFYING = [SoftmaxLoss, ArcFaceLoss, CosFaceLoss]
each_loss = pytest.mark.parametrize("cls", [*CLASSIFYING, CenterLoss])


def with_eye(loss):
    """Give the groups the directions of the axes."""
    torch.nn.init.eye_(loss.weight)
    return loss


def at(degrees):
    """A vector of length 2 at an angle from the first axis."""
    angle = math.radians(degrees)
    return torch.tensor([[2 * math.cos(angle), 2 * math.sin(angle)]])


def cost(loss, embeddings, groups=(0,)):
    loss.group_index(torch.tensor([0, 1]))  # the groups 0 and 1 have the rows 0 and 1
    return loss(embeddings, torch.tensor(groups)).item()


def test_softmax_worked_by_hand():
    # x · W = (3, 1), divided by the temperature 2: log(1 + e^(0.5 - 1.5))
    loss = with_eye(SoftmaxLoss(2, 2, temperature=2.0))
    assert cost(loss, torch.tensor([[3.0, 1.0]])) == pytest.approx(math.log(1 + math.exp(-1)))


@pytest.mark.parametrize("degrees", [0.0, 30.0, 60.0, 90.0, 140.0])
def test_arcface_worked_by_hand(degrees):
    angle = math.radians(degrees)
    own, other = 4 * math.cos(angle + 0.5), 4 * math.sin(angle)
    loss = with_eye(ArcFaceLoss(2, 2, scale=4.0, margin=0.5))
    assert cost(loss, at(degrees)) == pytest.approx(math.log(1 + math.exp(other - own)), rel=1e-5)


@pytest.mark.parametrize("degrees", [0.0, 30.0, 60.0, 90.0, 180.0])
def test_cosface_worked_by_hand(degrees):
    angle = math.radians(degrees)
    own, other = 4 * (math.cos(angle) - 0.35), 4 * math.sin(angle)
    loss = with_eye(CosFaceLoss(2, 2, scale=4.0, margin=0.35))
    assert cost(loss, at(degrees)) == pytest.approx(math.log(1 + math.exp(other - own)), rel=1e-5)


def test_a_perfect_alignment_costs_least_in_cosface():
    """It took the cosine of cos θ - m: alignment cost 13.7, an angle of cosine 0.35 nothing."""
    loss = with_eye(CosFaceLoss(2, 2))
    costs = [cost(loss, at(degrees)) for degrees in (0.0, 40.0, math.degrees(math.acos(0.35)))]
    assert costs[0] == pytest.approx(0, abs=1e-6)
    assert costs[0] < costs[1] < costs[2]


def test_a_larger_angle_always_costs_more_in_arcface():
    loss = with_eye(ArcFaceLoss(3, 2, scale=4.0))
    # The embedding turns away from the own group at a right angle to the other group.
    angles = torch.tensor([0.0, 45.0, 90.0, 135.0, 150.0, 155.0, 165.0, 180.0]).deg2rad()
    embeddings = torch.stack([angles.cos(), torch.zeros(8), angles.sin()], dim=1)
    costs = [cost(loss, embedding.unsqueeze(0)) for embedding in embeddings]
    assert all(smaller < larger for smaller, larger in pairwise(costs))


def test_the_gradient_of_arcface_is_finite_where_the_cosine_is_one():
    loss = with_eye(ArcFaceLoss(2, 2))
    embeddings = torch.tensor([[1.0, 0.0], [3.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    loss(embeddings, torch.tensor([0, 0, 0])).backward()
    assert torch.isfinite(embeddings.grad).all()
    assert torch.isfinite(loss.weight.grad).all()


def test_the_gradient_of_arcface_is_finite_all_around_a_cosine_of_one():
    loss = ArcFaceLoss(64, 1)
    torch.manual_seed(0)
    directions = torch.randn(512, 64)
    with torch.no_grad():
        loss.weight.copy_(directions[:1])
    lengths = torch.logspace(-8, 0, 512).unsqueeze(1)
    embeddings = (loss.weight.detach() + lengths * directions).requires_grad_()
    loss(embeddings, torch.zeros(512, dtype=torch.int64)).backward()
    assert torch.isfinite(embeddings.grad).all()


REFERENCES = [
    # With the margin 1 the large margin softmax loss is the softmax loss.
    (SoftmaxLoss(8, 5, temperature=0.05), losses.LargeMarginSoftmaxLoss(5, 8, margin=1, scale=20)),
    (ArcFaceLoss(8, 5), losses.ArcFaceLoss(5, 8, margin=math.degrees(0.5), scale=64)),
    (CosFaceLoss(8, 5), losses.CosFaceLoss(5, 8, margin=0.35, scale=64)),
]


@pytest.mark.parametrize(("loss", "reference"), REFERENCES, ids=["softmax", "arcface", "cosface"])
def test_they_agree_with_pytorch_metric_learning(loss, reference):
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(24, 8, dtype=torch.float64, generator=generator)
    groups = torch.randint(0, 5, (24,), generator=generator)
    loss, reference = loss.double(), reference.double()
    with torch.no_grad():
        loss.weight.copy_(reference.W.T)
    ours, theirs = embeddings.clone().requires_grad_(), embeddings.clone().requires_grad_()
    value, expected = loss(ours, groups), reference(theirs, groups)
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(loss.weight.grad, reference.W.grad.T)


def test_center_loss_worked_by_hand():
    loss = CenterLoss(2, 2, lambda_c=0.5)
    with torch.no_grad():
        loss.centers.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    # (3, 4)/5 from (1, 0): 0.4² + 0.8² = 0.8; (0, 2)/2 from (0, 0): 1. Over four values.
    value = cost(loss, torch.tensor([[3.0, 4.0], [0.0, 2.0]]), (0, 1))
    assert value == pytest.approx(0.5 * (0.8 + 1.0) / 4)


def test_centers_start_where_embeddings_are():
    torch.testing.assert_close(CenterLoss(8, 5).centers.norm(dim=1), torch.ones(5))


@each_loss
def test_group_ids_are_any_numbers(cls):
    """They had to be 0 to num_groups - 1."""
    loss = cls(4, 3)
    groups = torch.tensor([-(2**62), 16_777_217, 2_866_022_823_914_474_366])
    assert torch.isfinite(loss(torch.eye(3, 4), groups))


@each_loss
def test_more_groups_than_weights_are_refused(cls):
    with pytest.raises(ValueError, match="num_groups=2"):
        cls(4, 2)(torch.eye(3, 4), torch.tensor([1, 2, 3]))


@each_loss
@pytest.mark.filterwarnings("ignore:.*did not occur in training")
def test_objects_of_unseen_groups_are_left_out_in_evaluation(cls):
    loss = cls(4, 3)
    embeddings = torch.randn(4, 4)
    loss(embeddings, torch.tensor([5, 6, 5, 6]))
    loss.eval()
    expected = loss(embeddings[:2], torch.tensor([5, 6]))
    value = loss(embeddings, torch.tensor([5, 6, 7, 8]))
    torch.testing.assert_close(value, expected)


@each_loss
@pytest.mark.filterwarnings("ignore:.*did not occur in training")
def test_only_unseen_groups_cost_nothing_in_evaluation(cls):
    loss = cls(4, 3).eval()
    embeddings = torch.randn(2, 4, requires_grad=True)
    value = loss(embeddings, torch.tensor([5, 6]))
    value.backward()
    assert value == 0
    assert not embeddings.grad.any()


@each_loss
def test_weights_and_the_groups_they_belong_to_are_saved(cls, tmp_path):
    loss = cls(4, 3)
    embeddings, groups = torch.randn(3, 4), torch.tensor([9, 7, 8])
    loss(embeddings, torch.tensor([9, 9, 9]))
    expected = loss(embeddings, groups)
    save_module(loss, tmp_path)
    again = load_module(cls, tmp_path).eval()
    assert again(embeddings, groups) == expected


@each_loss
def test_the_memory_trains_the_weights_of_its_groups(cls):
    """By default, batch and memory count as one batch."""
    loss = cls(4, 3)
    embeddings, memory = torch.randn(2, 4), torch.randn(3, 4)
    value = loss.xbm_loss(embeddings, torch.tensor([1, 2]), memory, torch.tensor([1, 2, 3]))
    expected = loss(torch.cat([embeddings, memory]), torch.tensor([1, 2, 1, 2, 3]))
    assert value == expected


@each_loss
def test_another_embedding_size_is_refused(cls):
    with pytest.raises(ValueError, match=r"embedding_size=4.*\(2, 5\)"):
        cls(4, 3)(torch.ones(2, 5), torch.tensor([1, 2]))


@each_loss
@pytest.mark.parametrize("sizes", [(0, 3), (4, 0)])
def test_sizes_that_are_not_positive_are_refused(cls, sizes):
    with pytest.raises(ValueError, match=r"(embedding_size|num_groups) to be positive"):
        cls(*sizes)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SoftmaxLoss(4, 3, temperature=0.0), "temperature to be positive"),
        (lambda: ArcFaceLoss(4, 3, scale=0.0), "scale to be positive"),
        (lambda: CosFaceLoss(4, 3, scale=-1.0), "scale to be positive"),
        (lambda: ArcFaceLoss(4, 3, margin=28.6), "radians, got 28.6"),
    ],
)
def test_settings_out_of_range_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
