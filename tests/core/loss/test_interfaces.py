import pytest
import torch

from quaterion_core.distances import Distance
from quaterion_core.loss import GroupLoss, PairwiseLoss, TripletLoss


class MeanLength(GroupLoss):
    """A loss of a third party: every object counts by itself."""

    def forward(self, embeddings, groups):
        return embeddings.norm(dim=1).mean()


def test_every_group_loss_can_be_compared_with_a_memory():
    batch = torch.tensor([[3.0, 4.0]], requires_grad=True)
    memory = torch.tensor([[0.0, 1.0]], requires_grad=True)
    value = MeanLength().xbm_loss(batch, torch.tensor([1]), memory, torch.tensor([2]))
    value.backward()
    assert value.item() == (5 + 1) / 2
    torch.testing.assert_close(batch.grad, torch.tensor([[0.3, 0.4]]))
    assert memory.grad is None


def test_a_memory_of_another_data_type_is_taken():
    value = MeanLength().xbm_loss(
        torch.ones(1, 4), torch.tensor([1]), torch.ones(1, 4).half(), torch.tensor([2])
    )
    assert value.item() == 2.0


@pytest.mark.parametrize("interface", [GroupLoss, PairwiseLoss])
def test_interfaces_cannot_be_built(interface):
    with pytest.raises(TypeError, match="abstract"):
        interface()


def test_a_distance_is_given_by_name_or_member():
    by_name, by_member = TripletLoss(0.1, "euclidean"), TripletLoss(0.1, Distance.EUCLIDEAN)
    assert by_name.get_config_dict() == by_member.get_config_dict()


def test_an_unknown_distance_is_refused():
    with pytest.raises(ValueError, match="no distance 'l3'"):
        TripletLoss(distance_metric_name="l3")
