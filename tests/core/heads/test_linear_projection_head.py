import pytest
import torch

from quaterion_core.heads import LinearProjectionHead


def test_projection_worked_by_hand():
    head = LinearProjectionHead(input_embedding_size=2, output_size=1)
    with torch.no_grad():
        head.projection.weight.copy_(torch.tensor([[2.0, -1.0]]))
        head.projection.bias.fill_(0.5)
    output = head(torch.tensor([[3.0, 4.0]]))  # 2 · 3 - 4 + 0.5
    assert output.item() == 2.5


def test_without_bias_zero_stays_zero():
    head = LinearProjectionHead(3, 2, bias=False)
    assert torch.equal(head(torch.zeros(1, 3)), torch.zeros(1, 2))


def test_output_size_has_to_be_positive():
    with pytest.raises(ValueError, match="Expected output_size to be positive, got 0"):
        LinearProjectionHead(3, 0)


@pytest.mark.parametrize("output_size", [2, 3])
def test_training_may_begin_with_the_embeddings_themselves(output_size):
    head = LinearProjectionHead(3, output_size, initial="identity")
    vectors = torch.tensor([[1.0, -2.0, 3.0]])
    assert torch.equal(head(vectors), vectors[:, :output_size])


def test_an_unknown_beginning_is_refused():
    with pytest.raises(
        ValueError, match="Expected initial to be 'random' or 'identity', got 'eye'"
    ):
        LinearProjectionHead(3, 2, initial="eye")
