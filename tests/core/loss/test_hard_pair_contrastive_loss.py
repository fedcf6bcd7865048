import pytest
import torch

from quaterion_core.loss import HardPairContrastiveLoss

# Five pairs of points whose distances are these, three similar ones first.
DISTANCES = torch.tensor([0.1, 0.5, 0.6, 0.4, 0.7])
LABELS = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0])


def compute(distances=DISTANCES, labels=LABELS, margin=1.0, **arguments):
    count = len(distances)
    embeddings = torch.cat([torch.zeros(count), distances]).unsqueeze(1).requires_grad_()
    pairs = torch.arange(2 * count).reshape(2, count).T
    loss = HardPairContrastiveLoss("euclidean", margin, **arguments)
    return loss(embeddings, pairs, labels, torch.arange(count).repeat(2)), embeddings


def test_worked_by_hand():
    # Similar pairs beyond 0.4: 0.5 and 0.6. Dissimilar pairs below 0.6: 0.4.
    value, embeddings = compute()
    assert value.item() == pytest.approx(0.25 + 0.36 + 0.36)
    value.backward()
    assert embeddings.grad[5:, 0].tolist() == pytest.approx([0.0, 1.0, 1.2, -1.2, 0.0])
    assert compute(size_average=True)[0].item() == pytest.approx((0.25 + 0.36 + 0.36) / 3)


def test_where_all_pairs_are_told_apart_nothing_is_hard():
    value, embeddings = compute(torch.tensor([0.1, 0.2, 0.8]), torch.tensor([1.0, 1.0, 0.0]))
    assert value.item() == 0
    value.backward()
    assert not embeddings.grad.any()


def test_pairs_of_one_kind_are_compared_with_their_mean():
    value, _ = compute(torch.tensor([0.1, 0.2, 0.6]), torch.ones(3))  # mean 0.3
    assert value.item() == pytest.approx(0.36)
    value, _ = compute(torch.tensor([0.1, 0.2, 0.6]), torch.zeros(3))
    assert value.item() == pytest.approx(0.81 + 0.64)


def test_no_pairs_cost_nothing():
    value, _ = compute(torch.empty(0), torch.empty(0))
    assert value.item() == 0
