import pytest
import torch
from sentence_transformers.sentence_transformer import losses as peers

from quaterion_nlp import CosineRegressionLoss


def test_worked_by_hand(pair_targets):
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0], [0.0, -1.0]])
    value = CosineRegressionLoss()(embeddings, **pair_targets([1.0, 0.5], [1, 2]))
    assert value.item() == pytest.approx(((0.6 - 1) ** 2 + (-1 - 0.5) ** 2) / 2)


def test_it_agrees_with_sentence_transformers(pair_targets, peer_value, passing, vectors):
    a, b, labels = vectors(5), vectors(5, seed=1), torch.rand(5)
    expected = peer_value(peers.CosineSimilarityLoss(passing()), [a, b], labels)
    value = CosineRegressionLoss()(torch.cat([a, b]), **pair_targets(labels, [1, 2, 3, 4, 5]))
    torch.testing.assert_close(value, expected)


def test_gradients_are_those_of_the_value(pair_targets, vectors):
    targets = pair_targets([1.0, 0.2, 0.0], [1, 2, 3])
    loss = CosineRegressionLoss()
    assert torch.autograd.gradcheck(lambda x: loss(x, **targets), vectors(6).requires_grad_())
