import math

import torch

from quaterion_core.heads import GatedHead


def test_gates_are_almost_open_at_first():
    output = GatedHead(2)(torch.tensor([[1.0, -3.0]]))
    expected = torch.tensor([[math.tanh(2.0), -3.0 * math.tanh(2.0)]])
    torch.testing.assert_close(output, expected)


def test_each_value_has_its_own_gate():
    head = GatedHead(3)
    with torch.no_grad():
        head.gates.copy_(torch.tensor([0.0, 1.0, -1.0]))
    output = head(torch.tensor([[5.0, 5.0, 5.0]]))
    torch.testing.assert_close(
        output, torch.tensor([[0.0, 5.0 * math.tanh(1.0), -5.0 * math.tanh(1.0)]])
    )


def test_reset_parameters_opens_the_gates_again():
    head = GatedHead(3)
    with torch.no_grad():
        head.gates.zero_()
    head.reset_parameters()
    assert torch.equal(head.gates, torch.full((3,), 2.0))
