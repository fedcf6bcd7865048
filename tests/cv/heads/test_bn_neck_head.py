import pytest
import torch
from torch import nn

from quaterion_core.heads import EncoderHead
from quaterion_cv import BNNeckHead


def test_worked_by_hand():
    head = BNNeckHead(2)
    with torch.no_grad():
        head.norm.weight.copy_(torch.tensor([1.0, 3.0]))
    # Means 2 and 0, deviations 1 and 10.
    values = head(torch.tensor([[1.0, 10.0], [3.0, -10.0]]))
    torch.testing.assert_close(values, torch.tensor([[-1.0, 3.0], [1.0, -3.0]]), atol=1e-4, rtol=0)


def test_it_is_torch_s_batch_norm_without_a_shift():
    head, reference = BNNeckHead(6), nn.BatchNorm1d(6)
    for seed in range(3):
        batch = torch.randn(8, 6, generator=torch.Generator().manual_seed(seed)) + 5
        torch.testing.assert_close(head(batch), reference(batch))
    torch.testing.assert_close(head.eval()(batch), reference.eval()(batch))
    assert [name for name, _ in head.named_parameters()] == ["norm.weight"]


def test_the_running_statistics_are_saved(tmp_path):
    head = BNNeckHead(6)
    head(torch.randn(8, 6) + 5)
    head.save(tmp_path)
    restored: EncoderHead = BNNeckHead.load(tmp_path).eval()
    one = torch.randn(1, 6)
    assert torch.equal(restored(one), head.eval()(one))


@pytest.mark.parametrize("count", [0, 1])
def test_a_training_batch_without_a_variance_is_normalised_as_in_evaluation(count):
    head = BNNeckHead(6)
    head(torch.randn(8, 6) + 5)
    batch = torch.randn(count, 6)
    state = {name: value.clone() for name, value in head.state_dict().items()}
    values = head(batch)
    assert all(torch.equal(state[name], value) for name, value in head.state_dict().items())
    torch.testing.assert_close(values, head.eval()(batch))


def test_it_can_be_converted_to_statistics_of_all_processes():
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(BNNeckHead(6)).eval()
    torch.testing.assert_close(converted(torch.ones(2, 6)), torch.ones(2, 6), atol=1e-4, rtol=0)
