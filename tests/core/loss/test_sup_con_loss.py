import math

import pytest
import torch
from pytorch_metric_learning import losses as peers

from quaterion_core.loss import NTXentLoss, SupConLoss


def vectors(count, size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, dtype=torch.float64, generator=generator)


def test_worked_by_hand():
    radians = torch.tensor([0.0, 60.0, 90.0, 180.0]).deg2rad()
    embeddings = torch.stack([radians.cos(), radians.sin()], dim=1)
    value = SupConLoss(temperature=0.5)(embeddings, torch.tensor([1, 1, 1, 2]))
    cosine = {(i, j): math.cos(radians[i] - radians[j]) for i in range(4) for j in range(4)}
    losses = []
    for i in range(3):
        total = sum(math.exp(2 * cosine[i, j]) for j in range(4) if j != i)
        positives = [j for j in range(3) if j != i]
        losses.append(-sum(math.log(math.exp(2 * cosine[i, p]) / total) for p in positives) / 2)
    assert value.item() == pytest.approx(sum(losses) / 3, rel=1e-5)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_it_agrees_with_pytorch_metric_learning(temperature):
    groups = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 4])
    ours, theirs = vectors(11).requires_grad_(), vectors(11).requires_grad_()
    value = SupConLoss(temperature)(ours, groups)
    expected = peers.SupConLoss(temperature)(theirs, groups)
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_with_two_objects_of_each_group_it_is_nt_xent(pair_targets):
    groups = torch.arange(5)
    expected = NTXentLoss(0.3)(vectors(10), **pair_targets(torch.ones(5), groups))
    torch.testing.assert_close(SupConLoss(0.3)(vectors(10), groups.repeat(2)), expected)


@pytest.mark.parametrize("groups", [[5], [5, 6, 7]], ids=["one sample", "no positive"])
def test_nothing_to_learn_without_a_positive(groups):
    embeddings = vectors(len(groups)).requires_grad_()
    value = SupConLoss()(embeddings, torch.tensor(groups))
    value.backward()
    assert value == 0
    assert not embeddings.grad.any()


def test_gradients_are_those_of_the_value():
    groups = torch.tensor([5, 5, 6, 6, 6, 7])
    assert torch.autograd.gradcheck(lambda x: SupConLoss()(x, groups), vectors(6).requires_grad_())


def test_a_temperature_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"Expected temperature to be positive, got 0\.0"):
        SupConLoss(temperature=0.0)
