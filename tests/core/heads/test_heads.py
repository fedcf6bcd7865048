"""Tests of properties of all heads."""

import copy
import json

import pytest
import torch
from torch import nn

from quaterion_core.heads import (
    EmptyHead,
    EncoderHead,
    GatedHead,
    HubnessReductionHead,
    LinearProjectionHead,
    SequentialHead,
    SkipConnectionHead,
    SoftmaxEmbeddingsHead,
    StackedProjectionHead,
    SwitchHead,
    WideningHead,
)

HEADS = {
    "empty": lambda: EmptyHead(6, dropout=0.1),
    "gated": lambda: GatedHead(6, dropout=0.1),
    "linear": lambda: LinearProjectionHead(6, 4, bias=False, dropout=0.1),
    "skip": lambda: SkipConnectionHead(6, dropout=0.1, skip_dropout=0.2, n_layers=3),
    "softmax": lambda: SoftmaxEmbeddingsHead(2, 5, input_embedding_size=6, dropout=0.1),
    "stacked": lambda: StackedProjectionHead(6, [8, 7, 3], activation_fn="gelu", dropout=0.1),
    "widening": lambda: WideningHead(6, expansion_factor=1.5, activation_fn="silu", dropout=0.1),
    "sequential": lambda: SequentialHead(
        nn.Dropout(0.1), nn.Linear(6, 4), nn.LayerNorm(4), GatedHead(4), output_size=4
    ),
    "hubness-reduction": lambda: HubnessReductionHead(
        GatedHead(6, dropout=0.1), torch.randn(9, 6), neighbors=4, weight=2.0
    ),
    "switch": lambda: SwitchHead(
        {
            "image": LinearProjectionHead(6, 4, dropout=0.2),
            "text": SequentialHead(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4), output_size=4),
        },
        input_embedding_size=6,
        dropout=0.1,
    ),
}

all_heads = pytest.mark.parametrize("head", [pytest.param(make, id=n) for n, make in HEADS.items()])


def meta(count: int) -> list[dict[str, str]]:
    return [{"encoder": "image" if index % 3 else "text"} for index in range(count)]


def shake(head: EncoderHead) -> EncoderHead:
    """Set every parameter to random values, so that none keeps its initial ones."""
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_()
    return head


@all_heads
def test_saved_head_gives_the_same_bits(head, tmp_path):
    original = shake(head()).eval()
    original.save(tmp_path)
    restored = type(original).load(tmp_path).eval()
    vectors = torch.randn(7, 6)
    assert torch.equal(restored(vectors, meta(7)), original(vectors, meta(7)))


@all_heads
def test_configuration_is_json_and_survives_being_rebuilt(head):
    original = head()
    config = json.loads(json.dumps(original.get_config_dict()))
    assert config == original.get_config_dict()
    assert type(original).from_config(config).get_config_dict() == config


@pytest.mark.parametrize("name", sorted(set(HEADS) - {"sequential"}))
def test_a_configuration_with_an_unknown_key_is_refused(name):
    original = HEADS[name]()
    config = {**original.get_config_dict(), "no_such_option": 1}
    with pytest.raises(TypeError, match="no_such_option"):
        type(original).from_config(config)


@all_heads
@pytest.mark.parametrize("count", [0, 1, 5])
def test_output_has_the_stated_size(head, count):
    built = head()
    assert built(torch.randn(count, 6), meta(count)).shape == (count, built.output_size)


@all_heads
def test_rows_are_independent_of_their_batch(head):
    built = shake(head()).eval()
    vectors, facts = torch.randn(5, 6), meta(5)
    one_by_one = [built(vectors[i : i + 1], facts[i : i + 1]) for i in range(5)]
    torch.testing.assert_close(torch.cat(one_by_one), built(vectors, facts))


@all_heads
def test_wrong_input_size_names_both_sizes(head):
    with pytest.raises(ValueError, match=r"size 6 .*got .*\(2, 5\)"):
        head()(torch.randn(2, 5), meta(2))


@all_heads
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_and_is_finite(head, dtype):
    output = head().eval().to(dtype)(100 * torch.randn(4, 6, dtype=dtype), meta(4))
    assert output.dtype == dtype
    assert output.isfinite().all()


@all_heads
def test_gradient_reaches_every_parameter_and_the_input(head):
    built = head()
    vectors = torch.randn(8, 6, requires_grad=True)
    (built(vectors, meta(8)) * torch.randn(8, built.output_size)).sum().backward()
    for name, parameter in [("input", vectors), *built.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@all_heads
def test_input_is_not_changed_in_place(head):
    vectors = torch.randn(4, 6)
    kept = vectors.clone()
    head()(vectors, meta(4))
    assert torch.equal(vectors, kept)


@all_heads
def test_evaluation_is_deterministic(head):
    built = head().eval()
    vectors = torch.randn(4, 6)
    assert torch.equal(built(vectors, meta(4)), built(vectors, meta(4)))


@all_heads
def test_copies_are_equal_and_independent(head):
    original = head().eval()
    copied = copy.deepcopy(original)
    vectors = torch.randn(4, 6)
    before = original(vectors, meta(4))
    shake(copied)
    assert torch.equal(original(vectors, meta(4)), before)


@pytest.mark.parametrize("name", sorted(set(HEADS) - {"sequential"}))
def test_dropout_comes_before_transform(name):
    head = HEADS[name]()
    seen = []
    head.dropout.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    vectors = torch.randn(4, 6)
    head(vectors, meta(4))
    assert len(seen) == 1
    assert seen[0] is vectors


def test_dropout_acts_in_training_only():
    head = EmptyHead(1000, dropout=0.5)
    vectors = torch.ones(1, 1000)
    dropped = (head(vectors) == 0).sum().item()
    assert 400 < dropped < 600
    assert torch.equal(head.eval()(vectors), vectors)


@pytest.mark.parametrize("dropout", [-0.1, 1.0, 1.5])
def test_dropout_has_to_be_a_probability(dropout):
    with pytest.raises(ValueError, match=rf"\[0, 1\), got {dropout}"):
        EmptyHead(4, dropout=dropout)


def test_input_size_has_to_be_positive():
    with pytest.raises(ValueError, match="Expected input_embedding_size to be positive, got 0"):
        EmptyHead(0)


def test_head_defines_transform_or_forward():
    class Neither(EncoderHead):
        output_size = 2

    class OfForward(Neither):
        def forward(self, input_vectors, meta=None):
            return input_vectors[:, :2]

    with pytest.raises(TypeError, match="Neither, which defines neither transform"):
        Neither(3)
    assert OfForward(3)(torch.ones(4, 3)).shape == (4, 2)
