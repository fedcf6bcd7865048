import pytest
import torch
from torch import nn

from quaterion_core.modules import ActivationFromFnName


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("celu", nn.CELU()),
        ("elu", nn.ELU()),
        ("gelu", nn.GELU()),
        ("hardshrink", nn.Hardshrink()),
        ("hardsigmoid", nn.Hardsigmoid()),
        ("hardswish", nn.Hardswish()),
        ("hardtanh", nn.Hardtanh()),
        ("leaky_relu", nn.LeakyReLU()),
        ("logsigmoid", nn.LogSigmoid()),
        ("mish", nn.Mish()),
        ("relu", nn.ReLU()),
        ("relu6", nn.ReLU6()),
        ("selu", nn.SELU()),
        ("sigmoid", nn.Sigmoid()),
        ("silu", nn.SiLU()),
        ("softplus", nn.Softplus()),
        ("softshrink", nn.Softshrink()),
        ("softsign", nn.Softsign()),
        ("tanh", nn.Tanh()),
        ("tanhshrink", nn.Tanhshrink()),
    ],
)
def test_function_agrees_with_torchs_module(name, module):
    values = torch.linspace(-8.0, 8.0, 33)
    torch.testing.assert_close(ActivationFromFnName(name)(values), module(values))


@pytest.mark.parametrize("name", ["rleu", "linear", "_pad", "__builtins__"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match=rf"no activation function '{name}'.*gelu.*relu"):
        ActivationFromFnName(name)


def test_name_shows_in_print():
    assert str(ActivationFromFnName("tanh")) == "ActivationFromFnName(tanh)"
