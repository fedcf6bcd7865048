import json

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from quaterion_core.modules import ActivationFromFnName
from quaterion_core.modules.layers import build_layer, describe_layer
from quaterion_core.storage import NotSavableError

LAYERS = [
    ActivationFromFnName("relu"),
    nn.AlphaDropout(0.3),
    nn.BatchNorm1d(4, eps=0.1, momentum=0.5, affine=False),
    nn.BatchNorm1d(4, track_running_stats=False),
    nn.CELU(0.7),
    nn.Dropout(0.3),
    nn.ELU(0.7),
    nn.GELU("tanh"),
    nn.GroupNorm(2, 4, eps=0.1, affine=False),
    nn.Hardshrink(0.7),
    nn.Hardsigmoid(),
    nn.Hardswish(),
    nn.Hardtanh(-0.3, 0.4),
    nn.Identity(),
    nn.LayerNorm(4, eps=0.1, bias=False),
    nn.LayerNorm([2, 4], elementwise_affine=False),
    nn.LeakyReLU(0.7),
    nn.Linear(4, 3),
    nn.Linear(4, 3, bias=False),
    nn.LogSigmoid(),
    nn.LogSoftmax(dim=1),
    nn.Mish(),
    nn.PReLU(4, init=0.7),
    *([nn.RMSNorm(4, eps=0.1)] if hasattr(nn, "RMSNorm") else []),
    nn.ReLU(inplace=True),
    nn.ReLU6(),
    nn.SELU(),
    nn.SiLU(),
    nn.Sigmoid(),
    nn.Softmax(dim=0),
    nn.Softplus(beta=2.0, threshold=5.0),
    nn.Softshrink(0.7),
    nn.Softsign(),
    nn.Tanh(),
    nn.Tanhshrink(),
    nn.Threshold(0.1, 7.0),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_layer_is_built_again_from_json_and_weights(layer):
    description = json.loads(json.dumps(describe_layer(layer)))
    rebuilt = build_layer(description)
    rebuilt.load_state_dict(layer.state_dict())
    assert str(rebuilt) == str(layer)
    torch.manual_seed(0)
    expected = layer(torch.linspace(-3.0, 3.0, 8).reshape(2, 4))
    torch.manual_seed(0)
    assert torch.equal(rebuilt(torch.linspace(-3.0, 3.0, 8).reshape(2, 4)), expected)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Sequential(nn.ReLU()),
        nn.Conv1d(1, 1, 1),
        nn.LazyLinear(4),
        parametrizations.weight_norm(nn.Linear(2, 2)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_other_modules_are_refused(layer):
    with pytest.raises(NotSavableError, match=f"class {type(layer).__name__} cannot be saved"):
        describe_layer(layer)


def test_subclass_of_a_layer_is_refused():
    class LoudLinear(nn.Linear):
        pass

    with pytest.raises(NotSavableError, match="LoudLinear cannot be saved"):
        describe_layer(LoudLinear(2, 2))


def test_layer_whose_weights_do_not_follow_from_its_arguments_is_refused():
    layer = nn.Linear(2, 2)
    layer.register_buffer("mask", torch.ones(2))
    with pytest.raises(NotSavableError, match=r"got .*'mask': \[2\]"):
        describe_layer(layer)


def test_describing_draws_no_random_numbers():
    layer = nn.Linear(4, 4)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    describe_layer(layer)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("name", ["Module", "linear", "torch.nn.Linear", None, ["Linear"]])
def test_only_names_of_the_table_are_built(name):
    with pytest.raises(ValueError, match="Expected a description of a layer"):
        build_layer({"layer": name, "config": {}})


def test_only_arguments_of_the_table_are_passed_on():
    with pytest.raises(ValueError, match=r"ReLU has no argument device; it has inplace"):
        build_layer({"layer": "ReLU", "config": {"device": "cuda"}})
