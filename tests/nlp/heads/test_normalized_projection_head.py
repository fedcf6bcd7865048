import torch

from quaterion_core.heads import LinearProjectionHead
from quaterion_nlp import NormalizedProjectionHead


def test_embeddings_are_those_of_a_linear_projection_with_the_length_one():
    head, linear = NormalizedProjectionHead(6, 4), LinearProjectionHead(6, 4)
    linear.load_state_dict(head.state_dict())
    x = 100 * torch.randn(5, 6)
    torch.testing.assert_close(head(x).norm(dim=1), torch.ones(5))
    torch.testing.assert_close(torch.cosine_similarity(head(x), linear(x)), torch.ones(5))


def test_a_vector_that_is_projected_to_zero_stays_zero():
    head = NormalizedProjectionHead(3, 2, bias=False)
    x = torch.zeros(1, 3, requires_grad=True)
    head(x).sum().backward()
    assert not head(x).any()
    assert x.grad.isfinite().all()


def test_half_precision_keeps_the_length_of_vectors_whose_square_it_cannot_hold():
    head = NormalizedProjectionHead(4, 4, bias=False).half()
    torch.nn.init.eye_(head.projection.weight)
    lengths = head(torch.full((1, 4), 300.0, dtype=torch.float16)).float().norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(1), atol=1e-3, rtol=0)
