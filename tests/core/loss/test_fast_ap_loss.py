import pytest
import torch
from pytorch_metric_learning import losses

from quaterion_core.loss import FastAPLoss


def test_a_query_worked_by_hand():
    # Bins at 0, 2 and 4. From (1, 0): the positive at cosine 1/2 has the squared distance 1, half
    # in the first and half in the second bin; the negative at cosine 0 has 2, in the second.
    # h⁺ = 1/2, 1/2; H⁺ = 1/2, 1; H = 1/2, 2: FastAP = 1/2 · 1 + 1/2 · 1/2 = 3/4.
    value = FastAPLoss(num_bins=2).xbm_loss(
        torch.tensor([[1.0, 0.0]]),
        torch.tensor([7]),
        torch.tensor([[0.5, 0.75**0.5], [0.0, 1.0]]),
        torch.tensor([7, 8]),
    )
    assert value.item() == pytest.approx(1 - 3 / 4)


def test_a_perfect_ranking_costs_nothing_and_the_worst_one_most():
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    assert FastAPLoss()(embeddings, torch.tensor([7, 7, 8])).item() == pytest.approx(0)
    # Both queries find their positive after the negative: precision 1/2.
    assert FastAPLoss()(embeddings, torch.tensor([7, 8, 7])).item() == pytest.approx(1 / 2)


def test_the_length_of_embeddings_does_not_matter():
    embeddings, groups = torch.randn(9, 4), torch.arange(9) % 3
    lengths = torch.rand(9, 1) + 0.5
    loss = FastAPLoss()
    torch.testing.assert_close(loss(lengths * embeddings, groups), loss(embeddings, groups))


@pytest.mark.parametrize("num_bins", [1, 4, 10, 25])
def test_it_agrees_with_pytorch_metric_learning(num_bins):
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(24, 8, dtype=torch.float64, generator=generator)
    groups = torch.randint(0, 6, (24,), generator=generator)
    ours, theirs = embeddings.clone().requires_grad_(), embeddings.clone().requires_grad_()
    value = FastAPLoss(num_bins)(ours, groups)
    expected = losses.FastAPLoss(num_bins)(theirs, groups)
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_a_batch_without_positives_gives_zero_instead_of_nan():
    embeddings = torch.randn(4, 3, requires_grad=True)
    value = FastAPLoss()(embeddings, torch.tensor([5, 6, 7, 8]))
    value.backward()
    assert value == 0
    assert not embeddings.grad.any()


def test_a_query_without_positives_is_left_out():
    """The gradient was once NaN."""
    embeddings = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    groups = torch.tensor([7, 8, 7])
    value = FastAPLoss()(embeddings, groups)
    value.backward()
    # Of (1, 0), both others are equally far: 1 · 1/2. Of (-1, 0), the negative is nearer: 1/2.
    assert value.item() == pytest.approx(1 / 2)
    assert torch.isfinite(embeddings.grad).all()


def test_a_number_of_bins_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="Expected num_bins to be positive, got 0"):
        FastAPLoss(num_bins=0)
