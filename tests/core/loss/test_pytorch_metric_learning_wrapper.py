import sys

import pytest
import torch
from pytorch_metric_learning.losses import (
    CrossBatchMemory,
    MultipleLosses,
    NTXentLoss,
    TripletMarginLoss,
)
from pytorch_metric_learning.miners import BatchHardMiner

from quaterion_core.loss import GroupLoss
from quaterion_core.loss.extras import PytorchMetricLearningWrapper


@pytest.fixture
def batch():
    return torch.randn(8, 4), torch.tensor([2**24, 2**24 + 1]).repeat(4)


def test_it_is_a_group_loss_with_the_value_of_the_loss_inside(batch):
    wrapper = PytorchMetricLearningWrapper(NTXentLoss())
    assert isinstance(wrapper, GroupLoss)
    assert wrapper(*batch) == NTXentLoss()(*batch)


def test_a_miner_chooses_what_the_loss_sees(batch):
    loss, miner = TripletMarginLoss(margin=3.0), BatchHardMiner()
    wrapper = PytorchMetricLearningWrapper(loss, miner=miner)
    assert wrapper(*batch) == loss(*batch, miner(*batch)) != loss(*batch)


def test_a_memory_can_be_used(batch):
    wrapper = PytorchMetricLearningWrapper(NTXentLoss())
    embeddings = batch[0].clone().requires_grad_()
    wrapper.xbm_loss(embeddings, batch[1], *batch).backward()
    assert embeddings.grad.any()


@pytest.mark.parametrize(
    "module", ["pytorch_metric_learning.losses", "pytorch_metric_learning.miners"]
)
def test_a_missing_package_is_an_import_error_that_names_the_extra(monkeypatch, module):
    """It once crashed the process."""
    loss = NTXentLoss()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"quaterion-core\[pytorch-metric-learning\]"):
        PytorchMetricLearningWrapper(loss)


def test_a_loss_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="losses, got a CrossEntropyLoss"):
        PytorchMetricLearningWrapper(torch.nn.CrossEntropyLoss())


def test_a_miner_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="miners, got a NTXentLoss"):
        PytorchMetricLearningWrapper(NTXentLoss(), miner=NTXentLoss())


def test_a_foreign_loss_has_no_configuration():
    with pytest.raises(NotImplementedError, match="Derive a class from it"):
        PytorchMetricLearningWrapper(NTXentLoss()).get_config_dict()


@pytest.mark.parametrize(
    "loss",
    [
        CrossBatchMemory(NTXentLoss(), embedding_size=4, memory_size=16),
        MultipleLosses([NTXentLoss(), TripletMarginLoss()]),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_losses_around_losses_are_taken_too(loss, batch):
    assert torch.isfinite(PytorchMetricLearningWrapper(loss)(*batch))
