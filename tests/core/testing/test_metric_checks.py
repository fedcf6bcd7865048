"""Each check of a metric fails a metric that has the fault which it catches, and no good one."""

from __future__ import annotations

import pytest
import torch

from quaterion_core.eval import BaseMetric, GroupMetric, PairMetric
from quaterion_core.testing import Status, check_metric
from quaterion_core.testing.metric_checks import METRIC_CHECKS


class NearestIsRelevant:
    """Whether the nearest object is relevant, scaled."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale

    def query_values(self, distance_matrix, labels):
        nearest = distance_matrix.argmin(dim=1, keepdim=True)
        return labels.gather(1, nearest).squeeze(1).float() * self.scale

    def get_config_dict(self):
        return {"scale": self.scale}


class Good(NearestIsRelevant, GroupMetric):
    pass


class GoodOfPairs(NearestIsRelevant, PairMetric):
    pass


class NotBuilt(Good):
    def __init__(self):
        raise RuntimeError("no distance")


class GivesIntegers(Good):
    def query_values(self, distance_matrix, labels):
        return super().query_values(distance_matrix, labels).long()

    def reduce(self, values):
        return values.sum()


class FindsTheFarthest(Good):
    def query_values(self, distance_matrix, labels):
        return super().query_values(-distance_matrix.nan_to_num(posinf=-1.0), labels)


class AsksChance(Good):
    def query_values(self, distance_matrix, labels):
        return torch.rand(len(labels), device=labels.device)


class ForgetsAnArgument(Good):
    def get_config_dict(self):
        return {}


class WeighsByPlace(Good):
    def query_values(self, distance_matrix, labels):
        values = super().query_values(distance_matrix, labels)
        return values * torch.arange(len(values), device=values.device)


class ComparesFloats(Good):
    @staticmethod
    def prepare_labels(groups, queries=None):
        return GroupMetric.prepare_labels(groups.float(), queries)


class AveragesBatches(Good):
    def __init__(self, scale=1.0):
        super().__init__(scale)
        self.values = []

    def update(self, embeddings, groups, device=None):
        self.values.append(self.compute(embeddings, groups))

    def evaluate(self):
        return torch.stack(self.values).mean()

    def reset(self):
        self.values = []


class NeverForgets(Good):
    def reset(self):
        pass


class AveragesNothing(Good):
    def reduce(self, values):
        return values.mean()


class MultipliesFloats(Good):
    def compute(self, embeddings=None, groups=None):
        if embeddings is not None:
            embeddings = embeddings @ torch.eye(embeddings.shape[1], device=embeddings.device)
        return super().compute(embeddings, groups)


class MasksInPlace(Good):
    def query_values(self, distance_matrix, labels):
        distance_matrix.masked_fill_(torch.isinf(distance_matrix), 1e9)
        return super().query_values(distance_matrix, labels)


class MakesATensorAnywhere(Good):
    def query_values(self, distance_matrix, labels):
        values = super().query_values(distance_matrix, labels)
        return values * torch.ones(len(values))


MUTANTS = {
    "construction": NotBuilt,
    "interface": GivesIntegers,
    "ranking": FindsTheFarthest,
    "determinism": AsksChance,
    "config_round_trip": lambda: ForgetsAnArgument(scale=2.0),
    "order_invariance": WeighsByPlace,
    "ids": ComparesFloats,
    "batches": AveragesBatches,
    "reset": NeverForgets,
    "degenerate": AveragesNothing,
    "precision": MultipliesFloats,
    "inputs_unchanged": MasksInPlace,
    "device": MakesATensorAnywhere,
}


@pytest.mark.parametrize("metric", [Good, GoodOfPairs])
def test_a_good_metric_passes_all_checks(metric):
    report = check_metric(lambda: metric(scale=2.0))
    report.raise_for_failures()
    assert report.ran == len(METRIC_CHECKS)


def test_each_check_has_a_mutant():
    assert list(MUTANTS) == list(METRIC_CHECKS)


@pytest.mark.parametrize(("name", "mutant"), MUTANTS.items())
def test_a_check_fails_what_it_catches(name, mutant):
    result = check_metric(mutant)[name]
    assert result.status is Status.FAILED, result
    assert result.message
    assert result.way_out == METRIC_CHECKS[name].way_out


def test_what_is_no_metric_is_refused():
    with pytest.raises(TypeError, match="Expected a BaseMetric"):
        check_metric("retrieval-precision")
    assert issubclass(Good, BaseMetric)
