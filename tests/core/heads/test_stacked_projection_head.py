import pytest
import torch
from torch import nn

from quaterion_core.heads import StackedProjectionHead


def test_activation_stands_between_the_layers_only():
    head = StackedProjectionHead(1, [2, 1])
    first, _, last = head.layers
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        first.bias.zero_()
        last.weight.copy_(torch.tensor([[-2.0, 5.0]]))
        last.bias.fill_(1.0)
    # relu(3, -3) = (3, 0); -2 · 3 + 5 · 0 + 1 = -5: no activation after the last layer.
    assert head(torch.tensor([[3.0]])).item() == -5.0


def test_a_single_size_is_a_linear_layer():
    head = StackedProjectionHead(3, [2])
    assert [type(layer) for layer in head.layers] == [nn.Linear]


@pytest.mark.parametrize("sizes", [[], [4, 0]])
def test_output_sizes_are_checked(sizes):
    with pytest.raises(ValueError, match="at least one size, all of them positive"):
        StackedProjectionHead(3, sizes)


def test_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="no activation function 'rleu'"):
        StackedProjectionHead(3, [4, 2], activation_fn="rleu")


def test_unknown_activation_is_refused_even_where_none_is_used():
    with pytest.raises(ValueError, match="no activation function 'rleu'"):
        StackedProjectionHead(3, [4], activation_fn="rleu")
