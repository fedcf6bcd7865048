import math

import pytest
import torch
from pytorch_metric_learning import losses

from quaterion_core.loss import CircleLoss

GROUPS = torch.tensor([7, 7, 8])


def test_the_loss_of_one_positive_and_one_negative_worked_by_hand():
    # The anchor (3, 4)/5 has the cosine 0.8 with the positive (0, 1), 0.6 with the negative (1, 0).
    # m = 0.25: α_p = 1.25 - 0.8 = 0.45, Δ_p = 0.75; α_n = 0.6 + 0.25 = 0.85, Δ_n = 0.25.
    exponent = 2 * 0.85 * (0.6 - 0.25) - 2 * 0.45 * (0.8 - 0.75)
    value = CircleLoss(margin=0.25, scale_factor=2.0).xbm_loss(
        torch.tensor([[3.0, 4.0]]),
        torch.tensor([7]),
        torch.tensor([[0.0, 1.0], [1.0, 0.0]]),
        torch.tensor([7, 8]),
    )
    assert value.item() == pytest.approx(math.log(1 + math.exp(exponent)))


def test_the_loss_is_a_mean_over_the_anchors_that_have_both():
    # Two anchors with a positive at cosine 1, α_p = 0.5, and a negative at cosine 0, α_n = 0.5.
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    expected = math.log(1 + math.exp(0.5 * (0 - 0.5)) * math.exp(-0.5 * (1 - 0.5)))
    value = CircleLoss(margin=0.5, scale_factor=1.0)(embeddings, GROUPS)
    assert value.item() == pytest.approx(expected)


def test_every_object_gets_a_gradient():
    """Of pairs pooled over the batch, those of a few objects outweighed all others."""
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(64, 32, generator=generator).requires_grad_()
    CircleLoss()(embeddings, torch.arange(64) % 16).backward()
    norms = embeddings.grad.norm(dim=1)
    assert (norms > norms.max() / 100).sum() == 64


def test_worse_pairs_cost_more():
    """The weights had the wrong signs, and similarities were on [0, 1]."""
    loss = CircleLoss()

    def cost(degrees_to_positive, degrees_to_negative):
        angles = torch.tensor([0.0, degrees_to_positive, -degrees_to_negative]).deg2rad()
        return loss(torch.stack([angles.cos(), angles.sin()], dim=1), GROUPS).item()

    assert cost(10.0, 170.0) < cost(40.0, 170.0) < cost(80.0, 170.0)
    assert cost(10.0, 90.0) < cost(10.0, 60.0) < cost(10.0, 30.0)


def test_pairs_within_the_relaxation_cost_almost_nothing():
    # Positive at 1, which is more than 1 - m; negatives at -1, where α_n is 0.
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    exponent = -256 * 0.25 * (1 - 0.75)
    expected = math.log1p(math.exp(exponent))
    assert CircleLoss()(embeddings, GROUPS).item() == pytest.approx(expected)


def test_gradients_are_those_of_equation_10():
    # With dot products and unit vectors as memory, the embedding is the row of similarities.
    similarities = torch.tensor([[0.9, 0.4, 0.3, -0.1]], dtype=torch.float64, requires_grad=True)
    positive, negative, m, gamma = [0.9, 0.4], [0.3, -0.1], 0.25, 3.0
    loss = CircleLoss(margin=m, scale_factor=gamma, distance_metric_name="dot_product")
    value = loss.xbm_loss(
        similarities,
        torch.tensor([7]),
        torch.eye(4, dtype=torch.float64),
        torch.tensor([7, 7, 8, 8]),
    )
    value.backward()
    # With α in place, the exponents are γ((1 - s_p)² - m²) and γ(s_n² - m²), equation 8.
    of_positive = [math.exp(gamma * ((1 - s) ** 2 - m**2)) for s in positive]
    of_negative = [math.exp(gamma * (s**2 - m**2)) for s in negative]
    product = sum(of_positive) * sum(of_negative)
    assert value.item() == pytest.approx(math.log(1 + product))
    z = product / (1 + product)
    expected = [
        -z * part / sum(of_positive) * gamma * (1 + m - s)
        for part, s in zip(of_positive, positive, strict=True)
    ] + [
        z * part / sum(of_negative) * gamma * (s + m)
        for part, s in zip(of_negative, negative, strict=True)
    ]
    assert similarities.grad.flatten().tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("margin", "scale_factor"), [(0.4, 80), (0.25, 256)])
def test_it_agrees_with_pytorch_metric_learning(margin, scale_factor):
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(13, 8, dtype=torch.float64, generator=generator)
    groups = torch.tensor([0, 1, 2, 3] * 3 + [9])  # the last one has no positive
    ours, theirs = embeddings.clone().requires_grad_(), embeddings.clone().requires_grad_()
    value = CircleLoss(margin=margin, scale_factor=scale_factor)(ours, groups)
    reference = losses.CircleLoss(m=margin, gamma=scale_factor)  # a mean over losses above 0
    expected = reference(theirs, groups)
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("groups", [[7, 7, 7], [7, 8, 9]], ids=["no negative", "no positive"])
def test_one_kind_of_pairs_alone_gives_zero_instead_of_nan(groups):
    embeddings = torch.eye(3, requires_grad=True)
    value = CircleLoss()(embeddings, torch.tensor(groups))
    value.backward()
    assert value == 0
    assert not embeddings.grad.any()
