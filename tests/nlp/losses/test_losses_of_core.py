"""Tests that losses of core equal those of sentence-transformers."""

from __future__ import annotations

import pytest
import torch
from sentence_transformers.sentence_transformer import losses
from sentence_transformers.sentence_transformer.losses.batch_hard_triplet import (
    BatchHardTripletLossDistanceFunction,
)
from sentence_transformers.sentence_transformer.losses.contrastive import SiameseDistanceMetric

from quaterion_core.loss import BatchHardTripletLoss, HardPairContrastiveLoss

TRIPLET_DISTANCES = {
    "euclidean": BatchHardTripletLossDistanceFunction.eucledian_distance,
    "cosine": BatchHardTripletLossDistanceFunction.cosine_distance,
}
PAIR_DISTANCES = {
    "euclidean": SiameseDistanceMetric.EUCLIDEAN,
    "cosine": SiameseDistanceMetric.COSINE_DISTANCE,
}


@pytest.mark.parametrize("distance", TRIPLET_DISTANCES)
@pytest.mark.parametrize("margin", [0.0, 0.2, 5.0])
def test_batch_hard_triplets(vectors, passing, peer_value, distance, margin):
    groups = torch.arange(24) % 5  # all have a positive and a negative
    ours, theirs = (vectors(24).requires_grad_() for _ in range(2))
    value = BatchHardTripletLoss(margin, distance)(ours, groups)
    peer = losses.BatchHardTripletLoss(passing(), TRIPLET_DISTANCES[distance], margin)
    expected = peer_value(peer, [theirs], groups)
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-6)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("distance", PAIR_DISTANCES)
@pytest.mark.parametrize("labels", ["mixed", "similar", "dissimilar"])
def test_hard_pairs(vectors, passing, peer_value, pair_targets, distance, labels):
    values = {
        "mixed": torch.arange(16) % 2,
        "similar": torch.ones(16),
        "dissimilar": torch.zeros(16),
    }
    y = values[labels].double()
    ours, theirs = (vectors(32).requires_grad_() for _ in range(2))
    value = HardPairContrastiveLoss(distance, margin=2.0)(ours, **pair_targets(y, [0] * 16))
    peer = losses.OnlineContrastiveLoss(passing(), PAIR_DISTANCES[distance], margin=2.0)
    expected = peer_value(peer, [theirs[:16], theirs[16:]], y)
    assert expected > 0
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)
