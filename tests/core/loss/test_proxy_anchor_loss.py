import math

import pytest
import torch
from pytorch_metric_learning import losses as peers

from quaterion_core.loss import ProxyAnchorLoss
from quaterion_core.storage import load_module, save_module


def vectors(count, size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, dtype=torch.float64, generator=generator)


def test_worked_by_hand():
    loss = ProxyAnchorLoss(3, num_groups=3, margin=0.1, scale=2.0)
    torch.nn.init.eye_(loss.proxies)
    loss.group_index(torch.tensor([5, 6, 9]))
    # Two objects of the group 5, with the cosines 0.6 and 0.8 to its proxy and 0.8 and 0 to 6's.
    embeddings = torch.tensor([[0.6, 0.8, 0.0], [0.8, 0.0, 0.6]])
    value = loss(embeddings, torch.tensor([5, 5]))
    pull = math.log(1 + math.exp(-2 * (0.6 - 0.1)) + math.exp(-2 * (0.8 - 0.1)))
    push_6 = math.log(1 + math.exp(2 * (0.8 + 0.1)) + math.exp(2 * (0.0 + 0.1)))
    push_9 = math.log(1 + math.exp(2 * (0.0 + 0.1)) + math.exp(2 * (0.6 + 0.1)))
    assert value.item() == pytest.approx(pull / 1 + (push_6 + push_9) / 3, rel=1e-5)


@pytest.mark.parametrize("groups", [5, 2], ids=["all groups in the batch", "some"])
def test_it_agrees_with_pytorch_metric_learning(groups):
    reference, loss = peers.ProxyAnchorLoss(5, 8).double(), ProxyAnchorLoss(8, 5).double()
    with torch.no_grad():
        loss.proxies.copy_(reference.proxies)
    loss.group_index(torch.arange(5))
    labels = torch.arange(24) % groups
    ours, theirs = vectors(24).requires_grad_(), vectors(24).requires_grad_()
    value, expected = loss(ours, labels), reference(theirs, labels)
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(loss.proxies.grad, reference.proxies.grad)


def test_gradients_are_those_of_the_value():
    loss, groups = ProxyAnchorLoss(8, 4, scale=3.0).double(), torch.tensor([5, 5, 6, 7])
    assert torch.autograd.gradcheck(lambda x: loss(x, groups), vectors(4).requires_grad_())


@pytest.mark.filterwarnings("ignore:.*did not occur in training")
def test_objects_of_unseen_groups_are_left_out_in_evaluation():
    loss, embeddings = ProxyAnchorLoss(8, 3).double(), vectors(4)
    loss(embeddings, torch.tensor([5, 6, 5, 6]))
    loss.eval()
    expected = loss(embeddings[:2], torch.tensor([5, 6]))
    assert loss(embeddings, torch.tensor([5, 6, 7, 8])) == expected
    assert loss(embeddings, torch.tensor([1, 2, 3, 4])) == 0


def test_proxies_and_the_groups_they_belong_to_are_saved(tmp_path):
    loss, groups = ProxyAnchorLoss(8, 5), torch.tensor([40, -3, 12])
    embeddings = vectors(3).float()
    expected = loss(embeddings, groups)
    save_module(loss, tmp_path)
    assert load_module(ProxyAnchorLoss, tmp_path).eval()(embeddings, groups) == expected


def test_more_groups_than_proxies_are_refused():
    with pytest.raises(ValueError, match="num_groups=2"):
        ProxyAnchorLoss(8, 2)(vectors(3).float(), torch.tensor([1, 2, 3]))


def test_another_embedding_size_is_refused():
    with pytest.raises(ValueError, match=r"embedding_size=4.*\(2, 8\)"):
        ProxyAnchorLoss(4, 3)(vectors(2), torch.tensor([1, 2]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, 3), "embedding_size"), ((4, 0), "num_groups"), ((4, 3, 0.1, 0.0), "scale")],
)
def test_settings_that_are_not_positive_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"{message} to be positive"):
        ProxyAnchorLoss(*arguments)
