import math

import pytest
import torch

from quaterion_core.utils.masked import masked_log_sum_exp


def test_only_what_is_marked_is_summed():
    mask = torch.tensor([[True, False, True]])
    values = masked_log_sum_exp(torch.tensor([[1.0, 50.0, 2.0]]), mask, dim=1)
    assert values.item() == pytest.approx(math.log(math.exp(1) + math.exp(2)))


def test_of_nothing_value_and_gradient_are_finite_and_count_as_zero():
    logits = torch.randn(2, 3, requires_grad=True)
    value = torch.nn.functional.softplus(
        masked_log_sum_exp(logits, torch.zeros(2, 3, dtype=torch.bool), dim=(0, 1))
    )
    value.backward()
    assert value == 0
    assert torch.equal(logits.grad, torch.zeros(2, 3))
