"""Models between the untouched encoder and the tuned model."""

import numpy as np
import pytest
import torch

from quaterion_core import SimilarityModel
from quaterion_core.encoders import Encoder
from quaterion_core.heads import (
    EmptyHead,
    GatedHead,
    HubnessReductionHead,
    LinearProjectionHead,
)
from quaterion_tune.interpolation import interpolated


class Scaled(Encoder):
    """Points, scaled by a weight."""

    embedding_size = 2

    def __init__(self, scale=1.0, trainable=True):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor([float(scale)]))
        self._trainable = trainable

    @property
    def trainable(self):
        return self._trainable

    def get_collate_fn(self):
        return torch.tensor

    def forward(self, batch):
        return self.scale * batch


POINT = [[1.0, 2.0]]


def head_of(weights):
    head = LinearProjectionHead(2, 2, bias=False, initial="identity")
    head.load_state_dict({name: torch.tensor(weights) for name in head.state_dict()})
    return head


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_weights_of_encoders_and_heads_are_blended(weight):
    before = SimilarityModel(Scaled(1.0), EmptyHead(2))
    tuned = SimilarityModel(Scaled(3.0), head_of([[2.0, 0.0], [0.0, 1.0]]))
    scale = 1 + 2 * weight
    expected = [[scale * (1 + weight), 2 * scale]]
    np.testing.assert_allclose(interpolated(before, tuned, weight).encode(POINT), expected)
    np.testing.assert_allclose(tuned.encode(POINT), [[6.0, 6.0]])  # as it was


def test_frozen_encoders_stay():
    before = SimilarityModel(Scaled(1.0, trainable=False), EmptyHead(2))
    tuned = SimilarityModel(Scaled(1.0, trainable=False), head_of([[3.0, 0.0], [0.0, 3.0]]))
    np.testing.assert_allclose(interpolated(before, tuned, 0.5).encode(POINT), [[2.0, 4.0]])


@pytest.mark.parametrize(
    "head",
    [
        GatedHead(2),
        LinearProjectionHead(2, 3),
        HubnessReductionHead(EmptyHead(2), torch.eye(2), neighbors=1),
    ],
    ids=lambda head: type(head).__name__,
)
def test_other_heads_have_nothing_in_between(head):
    before = SimilarityModel(Scaled(1.0), EmptyHead(2))
    assert interpolated(before, SimilarityModel(Scaled(2.0), head), 0.5) is None
