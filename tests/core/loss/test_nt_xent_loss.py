import math

import pytest
import torch
from pytorch_metric_learning import losses as peers

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_core.loss import NTXentLoss
from quaterion_core.testing.loss_batches import pair_targets

COUNT = 6


def vectors(count, size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, dtype=torch.float64, generator=generator)


def test_worked_by_hand():
    # Views 1 and 3 are equal, so are 2 and 4, at a right angle to them.
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 4.0]])
    value = NTXentLoss(temperature=0.5)(embeddings, **pair_targets([1.0, 1.0], [NO_SUBGROUP] * 2))
    assert value.item() == pytest.approx(-math.log(math.exp(2) / (math.exp(2) + 2)))


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_it_agrees_with_pytorch_metric_learning(temperature):
    ours, theirs = vectors(2 * COUNT).requires_grad_(), vectors(2 * COUNT).requires_grad_()
    value = NTXentLoss(temperature)(ours, **pair_targets([1.0] * COUNT, [NO_SUBGROUP] * COUNT))
    expected = peers.NTXentLoss(temperature)(theirs, torch.arange(COUNT).repeat(2))
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_views_of_one_stated_subgroup_are_not_compared():
    loss, embeddings = NTXentLoss(), vectors(2 * COUNT)
    grouped = loss(embeddings, **pair_targets([1.0] * COUNT, [7] * 3 + [NO_SUBGROUP] * 3))
    apart = loss(embeddings, **pair_targets([1.0] * COUNT, [NO_SUBGROUP] * COUNT))
    assert grouped < apart
    assert loss(embeddings, **pair_targets([1.0] * COUNT, [7] * COUNT)).abs() < 1e-12


def test_of_a_pair_with_the_label_0_nothing_is_asked():
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    value = NTXentLoss(temperature=1.0)(embeddings, **pair_targets([1.0, 0.0], [1, 2]))
    assert value.item() == pytest.approx(-math.log(math.e / (math.e + 2)))
    assert NTXentLoss()(embeddings, **pair_targets([0.0, 0.0], [1, 2])) == 0


def test_gradients_are_those_of_the_value():
    loss, targets = NTXentLoss(), pair_targets([1.0, 0.0, 1.0], [1, 2, NO_SUBGROUP])
    assert torch.autograd.gradcheck(lambda x: loss(x, **targets), vectors(6).requires_grad_())


def test_a_temperature_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"Expected temperature to be positive, got -0\.1"):
        NTXentLoss(temperature=-0.1)
