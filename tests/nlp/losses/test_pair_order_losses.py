"""Tests of CoSENT and AnglE loss."""

import math

import pytest
import torch
from sentence_transformers.sentence_transformer import losses as peers

from quaterion_core.dataset.targets import NO_SUBGROUP
from quaterion_nlp import AnglELoss, CoSENTLoss

LABELS = [0.9, 0.2, 0.5, 0.5, 0.0]
both = pytest.mark.parametrize("cls", [CoSENTLoss, AnglELoss])


def test_cosent_worked_by_hand(pair_targets):
    angles = torch.tensor([0.0, 0.0, 0.0, math.pi / 2, math.pi / 3, math.pi])
    embeddings = 3 * torch.stack([angles.cos(), angles.sin()], dim=1)
    value = CoSENTLoss(scale=2.0)(embeddings, **pair_targets([0.1, 0.7, 0.7], [1, 2, 3]))
    # Cosines 0, 0.5, -1. Both of the label 0.7 should be above the first.
    expected = math.log(1 + math.exp(2 * (0 - 0.5)) + math.exp(2 * (0 + 1)))
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_angle_worked_by_hand(pair_targets):
    # z = 1 and w = e^(iφ): ⟨z, w⟩ = e^(-iφ), so s = |cos φ - sin φ|.
    angles = torch.tensor([0.0, 0.0, 0.3, 1.2])
    embeddings = 3 * torch.stack([angles.cos(), angles.sin()], dim=1)
    value = AnglELoss(scale=2.0)(embeddings, **pair_targets([0.1, 0.7], [1, 2]))
    first, second = (abs(math.cos(angle) - math.sin(angle)) for angle in (0.3, 1.2))
    assert value.item() == pytest.approx(math.log(1 + math.exp(2 * (first - second))), rel=1e-5)


@pytest.mark.parametrize("size", [6, 5], ids=["even", "odd"])
@pytest.mark.parametrize(
    ("loss", "peer"), [(CoSENTLoss(), peers.CoSENTLoss), (AnglELoss(), peers.AnglELoss)],
    ids=["cosent", "angle"],
)  # fmt: skip
def test_they_agree_with_sentence_transformers(
    loss, peer, size, pair_targets, peer_value, passing, vectors
):
    a, b = vectors(5, size).requires_grad_(), vectors(5, size, seed=1).requires_grad_()
    expected = peer_value(peer(passing()), [a, b], torch.tensor(LABELS))
    value = loss(torch.cat([a, b]), **pair_targets(LABELS, [1, 2, 3, 4, 5]))
    torch.testing.assert_close(value, expected)
    for ours, theirs in zip(
        torch.autograd.grad(value, [a, b]), torch.autograd.grad(expected, [a, b]), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


@both
def test_gradients_are_those_of_the_value(cls, pair_targets, vectors):
    loss, targets = cls(scale=3.0), pair_targets(LABELS, [1, 2, 3, 4, 5])
    embeddings = vectors(10).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, **targets), embeddings)


@both
def test_only_the_order_of_labels_counts(cls, pair_targets, vectors):
    steps = pair_targets([4.0, 1.0, 2.0, 2.0, -7.0], [1, 2, 3, 4, 5])
    expected = cls()(vectors(10), **pair_targets(LABELS, [1, 2, 3, 4, 5]))
    assert cls()(vectors(10), **steps) == expected


@both
def test_equal_labels_teach_nothing(cls, pair_targets, vectors):
    embeddings = vectors(6).requires_grad_()
    value = cls()(embeddings, **pair_targets([1.0, 1.0, 1.0], [1, 2, 3]))
    value.backward()
    assert value == 0
    assert not embeddings.grad.any()


@both
def test_pairs_of_any_subgroups_are_compared(cls, pair_targets, vectors):
    values = [
        cls()(vectors(6), **pair_targets([0.0, 0.3, 1.0], subgroups))
        for subgroups in ([1, 2, 3], [1, 1, 1], [NO_SUBGROUP] * 3)
    ]
    assert values[0] == values[1] == values[2]


@both
def test_settings_out_of_range_are_refused(cls):
    with pytest.raises(ValueError, match=r"Expected scale to be positive, got 0\.0"):
        cls(scale=0.0)


def test_equal_objects_are_as_similar_in_angle_as_their_cosine_says(pair_targets, vectors):
    """A pair of equal objects has imaginary part 0 and thus similarity 1, whatever its norm."""
    x = vectors(3)
    torch.testing.assert_close(AnglELoss().pair_similarities(x, 5 * x), x.new_ones(3))
