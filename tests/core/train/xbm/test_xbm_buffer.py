import copy

import pytest
import torch

from quaterion_core.train.xbm import XbmBuffer, XbmConfig


def numbered(start, count):
    values = torch.arange(start, start + count)
    return values[:, None].float(), values


@pytest.mark.parametrize("sizes", [[2, 2, 2], [5], [12], [3, 11, 1], [1] * 9])
def test_the_latest_are_remembered(sizes):
    buffer = XbmBuffer(XbmConfig(buffer_size=5), embedding_size=1)
    seen = 0
    for size in sizes:
        buffer.queue(*numbered(seen, size))
        seen += size
        embeddings, groups = buffer.get()
        assert sorted(groups.tolist()) == list(range(max(0, seen - 5), seen))
        assert torch.equal(embeddings[:, 0], groups.float())
        assert buffer.is_full == (seen >= 5)


def test_groups_keep_all_their_bits():
    buffer = XbmBuffer(XbmConfig(buffer_size=2), embedding_size=1)
    buffer.queue(torch.zeros(2, 1), torch.tensor([2**62 + 1, -(2**62) - 1]))
    assert buffer.get()[1].tolist() == [2**62 + 1, -(2**62) - 1]


def test_no_graph_is_kept():
    buffer = XbmBuffer(XbmConfig(buffer_size=2), embedding_size=1)
    buffer.queue(torch.ones(1, 1, requires_grad=True) * 2, torch.tensor([1]))
    assert not buffer.get()[0].requires_grad


def test_a_checkpoint_holds_position_and_fullness():
    first = XbmBuffer(XbmConfig(buffer_size=5), embedding_size=1)
    first.queue(*numbered(0, 7))
    second = XbmBuffer(XbmConfig(buffer_size=5), embedding_size=1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for buffer in (first, second):
        buffer.queue(*numbered(7, 2))
    assert torch.equal(first.get()[0], second.get()[0])
    assert torch.equal(first.get()[1], second.get()[1])


@pytest.mark.parametrize("settings", [{"buffer_size": 0}, {"start_iteration": -1}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match="Expected a positive buffer_size"):
        XbmConfig(**settings)


def test_what_an_earlier_version_remembered_is_restored():
    state = {"_extra_state": {"embeddings": torch.tensor([[3.0], [2.0]]),
                              "targets": torch.tensor([30, 20]), "seen": 3}}  # fmt: skip
    buffer = XbmBuffer(XbmConfig(buffer_size=2), embedding_size=1)
    buffer.load_state_dict(state)
    buffer.queue(torch.tensor([[4.0]]), torch.tensor([40]))
    assert buffer.get()[1].tolist() == [30, 40]
    assert buffer.state_dict().keys() == state.keys()
