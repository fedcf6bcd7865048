"""Tests that the layers of a head do in evaluation what the head does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from quaterion_core.heads import (
    EmptyHead,
    GatedHead,
    HubnessReductionHead,
    LinearProjectionHead,
    SequentialHead,
    SkipConnectionHead,
    SoftmaxEmbeddingsHead,
    StackedProjectionHead,
    WideningHead,
)

HEADS = [
    lambda: EmptyHead(6, dropout=0.5),
    lambda: LinearProjectionHead(6, 4),
    lambda: StackedProjectionHead(6, [5, 4], activation_fn="tanh"),
    lambda: WideningHead(6),
    lambda: GatedHead(6, dropout=0.5),
    lambda: SkipConnectionHead(6, skip_dropout=0.5, n_layers=2),
    lambda: SequentialHead(GatedHead(6), nn.Linear(6, 3), nn.LayerNorm(3), output_size=3),
]


@pytest.mark.parametrize("new_head", HEADS)
def test_the_layers_do_what_the_head_does(new_head):
    torch.manual_seed(0)
    head = new_head()
    for weight in head.parameters():
        nn.init.normal_(weight)
    head.eval()
    vectors = torch.randn(5, 6)
    expected = nn.Sequential(*head.get_layers())(vectors)
    torch.testing.assert_close(expected, head(vectors), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "head",
    [
        SoftmaxEmbeddingsHead(2, 3, 6),
        HubnessReductionHead(EmptyHead(6), torch.eye(6), neighbors=2),
        SequentialHead(nn.Linear(6, 6), SoftmaxEmbeddingsHead(2, 3, 6), output_size=6),
    ],
)
def test_a_head_without_layers_is_named(head):
    name = "HubnessReductionHead" if "Hub" in type(head).__name__ else "SoftmaxEmbeddingsHead"
    with pytest.raises(NotImplementedError, match=f"{name} cannot be expressed"):
        head.get_layers()
