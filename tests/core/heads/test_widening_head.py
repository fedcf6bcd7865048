import pytest
from torch import nn

from quaterion_core.heads import WideningHead


def test_widens_by_the_factor_and_comes_back():
    head = WideningHead(10, expansion_factor=2.5)
    shapes = [tuple(layer.weight.shape) for layer in head.layers if isinstance(layer, nn.Linear)]
    assert shapes == [(25, 10), (10, 25)]


def test_factor_is_four_by_default():
    assert WideningHead(10).output_sizes == [40, 10]


def test_a_factor_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match=r"expansion_factor 0.05 gives an inner size of 0"):
        WideningHead(10, expansion_factor=0.05)
