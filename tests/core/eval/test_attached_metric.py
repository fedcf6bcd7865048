import copy
import pickle

import pytest
import torch

from quaterion_core.eval import AttachedMetric, RetrievalPrecision, RetrievalRPrecision
from quaterion_core.utils.enums import TrainStage

EMBEDDINGS, GROUPS = torch.tensor([[1.0, 0.0], [1.0, 0.1]]), torch.tensor([1, 1])


def test_log_options_are_those_of_lightning():
    attached = AttachedMetric(
        "precision", RetrievalPrecision(), prog_bar=True, on_epoch=True, sync_dist=True
    )
    assert attached.name == "precision"
    assert attached.log_options == {
        "logger": True,
        "prog_bar": True,
        "on_step": None,
        "on_epoch": True,
        "sync_dist": True,
    }


def test_metric_is_reached_through_it():
    attached = AttachedMetric("r", RetrievalRPrecision())
    attached.update(EMBEDDINGS, GROUPS)
    assert attached.compute().item() == attached.evaluate().item() == 1.0
    attached.reset()
    assert len(attached.metric.accumulator) == 0
    assert attached.compute(EMBEDDINGS, GROUPS).item() == 1.0


def test_unknown_attribute_names_both_classes():
    attached = AttachedMetric("p", RetrievalPrecision())
    with pytest.raises(
        AttributeError, match="has no attribute <recall>, and neither has its metric, a RetrievalP"
    ):
        attached.recall  # noqa: B018


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))])
def test_it_can_be_copied(duplicate):
    again = duplicate(AttachedMetric("p", RetrievalPrecision(k=4)))
    assert (again.name, again.k) == ("p", 4)


def test_what_is_no_metric_is_refused():
    with pytest.raises(TypeError, match="the metric 'p' to be an instance of PairMetric"):
        AttachedMetric("p", RetrievalPrecision)


def test_it_is_computed_in_training_and_validation():
    stages = AttachedMetric("p@1", RetrievalPrecision()).stages
    assert stages == [TrainStage.TRAIN, TrainStage.VALIDATION]
