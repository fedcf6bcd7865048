import pytest
import torch

from quaterion_core.heads import SoftmaxEmbeddingsHead


def with_logits(*logits: float) -> SoftmaxEmbeddingsHead:
    """Build a head of two groups of two whose logits are the input, 1.0, times these."""
    head = SoftmaxEmbeddingsHead(2, 2, input_embedding_size=1)
    with torch.no_grad():
        head.projection.weight.copy_(torch.tensor(logits).unsqueeze(1))
        head.projection.bias.zero_()
    return head


def test_softmax_within_each_group():
    log3 = torch.tensor(3.0).log().item()
    output = with_logits(log3, 0.0, 7.0, 7.0)(torch.ones(1, 1))
    torch.testing.assert_close(output, torch.tensor([[0.75, 0.25, 0.5, 0.5]]))


def test_confidence_is_read_from_the_largest_probability_of_each_group():
    groups = with_logits(100.0, 0.0, 7.0, 7.0)(torch.ones(1, 1)).reshape(1, 2, 2)
    sure, undecided = groups.max(-1).values[0]
    assert sure.item() == 1.0
    assert undecided.item() == 0.5


def test_output_size_is_groups_times_size():
    assert SoftmaxEmbeddingsHead(3, 5, input_embedding_size=2).output_size == 15


@pytest.mark.parametrize(("groups", "size"), [(0, 4), (4, 0)])
def test_sizes_have_to_be_positive(groups, size):
    with pytest.raises(ValueError, match=f"to be positive, got {groups} and {size}"):
        SoftmaxEmbeddingsHead(groups, size, input_embedding_size=2)
