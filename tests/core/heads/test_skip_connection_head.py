import math

import pytest
import torch
import torch.nn.functional as F

from quaterion_core.heads import SkipConnectionHead


def test_one_layer_worked_by_hand():
    head = SkipConnectionHead(2)
    with torch.no_grad():
        head.layers[0].weight.copy_(torch.tensor([[0.0, 1.0], [2.0, 0.0]]))
        head.layers[0].bias.copy_(torch.tensor([1.0, 0.0]))
        head.gates[0].copy_(torch.tensor([0.0, math.log(3.0)]))  # open by 1/2 and 3/4
    output = head(torch.tensor([[4.0, 10.0]]))
    # 4 + 1/2 · (10 + 1), 10 + 3/4 · (2 · 4)
    torch.testing.assert_close(output, torch.tensor([[9.5, 16.0]]))


def test_second_layer_corrects_what_the_first_gives():
    head = SkipConnectionHead(1, n_layers=2)
    with torch.no_grad():
        for layer, gate in zip(head.layers, head.gates, strict=True):
            layer.weight.fill_(1.0)
            layer.bias.fill_(0.0)
            gate.fill_(0.0)
    # Each layer adds half of what it gets: 8, 12, 18.
    torch.testing.assert_close(head(torch.tensor([[8.0]])), torch.tensor([[18.0]]))


@pytest.mark.parametrize("n_layers", [1, 4])
def test_untrained_head_hardly_changes_the_embedding(n_layers):
    torch.manual_seed(0)
    vectors = F.normalize(torch.randn(50, 384))
    output = SkipConnectionHead(384, n_layers=n_layers)(vectors)
    assert F.cosine_similarity(output, vectors).min() > 0.999


def test_gates_start_at_minus_four():
    assert all((gate == -4.0).all() for gate in SkipConnectionHead(3, n_layers=2).gates)


def test_skip_dropout_spares_the_direct_path():
    head = SkipConnectionHead(1000, skip_dropout=0.5)
    with torch.no_grad():
        head.layers[0].weight.copy_(torch.eye(1000))
        head.layers[0].bias.zero_()
        head.gates[0].zero_()
    output = head(torch.ones(1, 1000))
    # Dropped on the way into the correction: 1. Kept, and doubled by dropout: 1 + 1/2 · 2.
    assert set(output.flatten().tolist()) == {1.0, 2.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_layers": 0}, "Expected n_layers to be positive, got 0"),
        ({"skip_dropout": 1.0}, r"Expected skip_dropout, .* in \[0, 1\), got 1.0"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        SkipConnectionHead(4, **arguments)
