import math

import pytest
import torch
from pytorch_metric_learning import losses as peers
from pytorch_metric_learning.miners import MultiSimilarityMiner

from quaterion_core.loss import MultiSimilarityLoss


def vectors(count, size=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, dtype=torch.float64, generator=generator)


def unit(*degrees):
    radians = torch.tensor(degrees).deg2rad()
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def test_worked_by_hand_with_mining():
    # Cosines: 0° and 60° 0.5, 0° and 90° 0, 60° and 90° 0.866. Only at 60° is the negative, 0.866,
    # above the positive, 0.5, less 0.1; and at 90° there is no positive.
    loss = MultiSimilarityLoss(2.0, 10.0, threshold=0.6, mining_margin=0.1)
    value = loss(unit(0.0, 60.0, 90.0), torch.tensor([1, 1, 2]))
    positive = math.log(1 + math.exp(-2 * (0.5 - 0.6))) / 2
    negative = math.log(1 + math.exp(10 * (math.cos(math.radians(30)) - 0.6))) / 10
    assert value.item() == pytest.approx((positive + negative) / 3, rel=1e-5)


@pytest.mark.parametrize("epsilon", [None, 0.1, 0.5])
def test_it_agrees_with_pytorch_metric_learning(epsilon):
    groups = torch.arange(24) % 5
    ours, theirs = vectors(24).requires_grad_(), vectors(24).requires_grad_()
    mined = None if epsilon is None else MultiSimilarityMiner(epsilon)(theirs, groups)
    expected = peers.MultiSimilarityLoss(alpha=2, beta=50, base=0.5)(theirs, groups, mined)
    value = MultiSimilarityLoss(mining_margin=epsilon)(ours, groups)
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize(
    "groups", [[5], [5, 6, 7], [5, 5, 5]], ids=["one sample", "no positive", "no negative"]
)
def test_an_anchor_without_both_sides_mines_nothing(groups):
    embeddings = vectors(len(groups)).requires_grad_()
    value = MultiSimilarityLoss()(embeddings, torch.tensor(groups))
    value.backward()
    assert value == 0
    assert not embeddings.grad.any()


def test_gradients_are_those_of_the_value():
    loss, groups = MultiSimilarityLoss(negative_scale=5.0), torch.tensor([5, 5, 6, 6, 7, 7])
    assert loss(vectors(6), groups) > 0
    assert torch.autograd.gradcheck(lambda x: loss(x, groups), vectors(6).requires_grad_())


@pytest.mark.parametrize("arguments", [{"positive_scale": 0.0}, {"negative_scale": -1.0}])
def test_scales_that_are_not_positive_are_refused(arguments):
    with pytest.raises(ValueError, match="to be positive"):
        MultiSimilarityLoss(**arguments)
