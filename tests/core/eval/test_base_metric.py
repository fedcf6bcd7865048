import json

import pytest
import torch

from quaterion_core.distances import Distance
from quaterion_core.eval import (
    BaseMetric,
    GroupMetric,
    PairMetric,
    RetrievalPrecision,
    RetrievalReciprocalRank,
    RetrievalRPrecision,
)
from quaterion_core.eval.pair import retrieval_precision
from quaterion_core.eval.ranking import Needs

EMBEDDINGS = torch.randn(12, 4, generator=torch.Generator().manual_seed(3))
GROUPS = torch.tensor([0, 1, 2, 3] * 3)


def test_compute_without_arguments_is_over_all_updates():
    metric = RetrievalRPrecision()
    metric.update(EMBEDDINGS[:5], GROUPS[:5])
    metric.update(EMBEDDINGS[5:], GROUPS[5:])
    assert metric.compute() == metric.evaluate() == metric.compute(EMBEDDINGS, GROUPS)


def test_compute_over_a_batch_leaves_what_was_collected():
    metric = RetrievalRPrecision()
    metric.update(EMBEDDINGS, GROUPS)
    before = metric.compute()
    metric.compute(torch.eye(4), torch.tensor([1, 1, 2, 2]))
    assert metric.compute() == before


def test_value_of_all_is_not_the_mean_of_batches():
    # In each batch an object has one other to find; in the pool it finds the other group's.
    metric = RetrievalRPrecision("euclidean")
    batches = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.5], [1.5]])
    for number, batch in enumerate(batches):
        groups = torch.full((2,), number)
        assert metric.compute(batch, groups).item() == 1.0
        metric.update(batch, groups)
    assert metric.compute().item() == 0.0


def test_reset_forgets():
    metric = RetrievalRPrecision()
    metric.update(EMBEDDINGS, GROUPS)
    metric.reset()
    with pytest.raises(RuntimeError, match=r"nothing to evaluate. Call update\(\)"):
        metric.compute()


def test_targets_without_embeddings_are_refused():
    with pytest.raises(TypeError, match="got groups without embeddings"):
        RetrievalRPrecision().compute(groups=GROUPS)


def test_embeddings_without_targets_are_refused(pair_targets):
    with pytest.raises(
        ValueError, match=r"Expected groups to be an integer tensor of shape \(12,\)"
    ):
        RetrievalRPrecision().compute(EMBEDDINGS)
    with pytest.raises(ValueError, match="Expected subgroups to be .* got a NoneType"):
        RetrievalPrecision().compute(EMBEDDINGS, torch.ones(6), pair_targets(6)["pairs"])


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_embeddings_that_are_not_finite_are_refused(value):
    broken = EMBEDDINGS.clone()
    broken[7, 2] = value
    metric = RetrievalRPrecision()
    for use in (metric.compute, metric.update):
        with pytest.raises(ValueError, match="1 of 12 embeddings contain NaN or infinity.*row 7"):
            use(broken, GROUPS)


def test_mean_and_deviation_follow_from_the_values_of_queries():
    values = RetrievalRPrecision(reduce_func=None).compute(EMBEDDINGS, GROUPS)
    assert values.shape == (12,)
    assert RetrievalRPrecision().compute(EMBEDDINGS, GROUPS) == values.mean()
    deviation = RetrievalRPrecision(reduce_func=torch.std).compute(EMBEDDINGS, GROUPS)
    assert deviation == values.std()


@pytest.mark.parametrize("reduce_func", [torch.mean, torch.median, torch.std, torch.max])
def test_value_of_no_query_is_zero_whatever_reduces(reduce_func):
    metric = RetrievalRPrecision(reduce_func=reduce_func)
    assert metric.compute(torch.eye(3), torch.tensor([1, 2, 3])).item() == 0.0


def test_no_query_has_no_values():
    metric = RetrievalRPrecision(reduce_func=None)
    assert metric.compute(torch.eye(3), torch.tensor([1, 2, 3])).shape == (0,)


def test_empty_batch_has_the_value_zero():
    metric = RetrievalRPrecision()
    assert metric.compute(torch.empty(0, 4), torch.empty(0, dtype=torch.int64)).item() == 0.0


@pytest.mark.parametrize("distance", list(Distance))
def test_distance_decides_who_is_nearest(distance):
    nearest_to_one_one = {
        "cosine": [0.02, 0.02],  # angle 0; all others have one
        "dot_product": [30.0, 0.0],  # 30; the others up to 3.4
        "manhattan": [1.0, 2.1],  # 1.1; the others 1.4, 1.96, 30
        "euclidean": [1.8, 1.6],  # 1.0; the others 1.1, 1.39, 29
    }
    embeddings = torch.tensor([[1.0, 1.0], *nearest_to_one_one.values()])
    groups = torch.arange(5)
    groups[1 + list(nearest_to_one_one).index(distance.value)] = 0
    values = RetrievalRPrecision(distance, reduce_func=None).compute(embeddings, groups)
    assert values[0].item() == 1.0


def test_half_precision_embeddings_are_compared_in_full_precision():
    # 1 - cos of these angles is equal in bfloat16.
    angles = torch.tensor([0.0, 0.02, 0.03])
    embeddings = torch.stack((angles.cos(), angles.sin()), dim=1).bfloat16()
    value = RetrievalRPrecision(reduce_func=None).compute(embeddings, torch.tensor([1, 1, 2]))
    assert value[0].item() == 1.0


def test_autocast_changes_nothing():
    plain = RetrievalRPrecision().compute(EMBEDDINGS, GROUPS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert RetrievalRPrecision().compute(EMBEDDINGS, GROUPS) == plain


def test_no_graph_is_kept():
    embeddings = EMBEDDINGS.clone().requires_grad_()
    metric = RetrievalRPrecision()
    metric.update(embeddings, GROUPS)
    assert not metric.accumulator.embeddings.requires_grad
    assert not metric.compute(embeddings, GROUPS).requires_grad


def test_precompute_gives_labels_and_distances_with_objects_hidden_from_themselves():
    labels, distances = RetrievalRPrecision().precompute(EMBEDDINGS, groups=GROUPS)
    expected = 1 - torch.nn.functional.cosine_similarity(EMBEDDINGS[:, None], EMBEDDINGS, dim=-1)
    expected.fill_diagonal_(torch.inf)
    torch.testing.assert_close(distances, expected)
    assert labels.dtype == torch.float32
    assert labels.diagonal().tolist() == [0] * 12
    assert labels.sum(dim=1).tolist() == [2] * 12


def test_metric_with_raw_compute_alone_gets_whole_matrices(pair_targets):
    seen = []

    class Shapes(PairMetric):
        def raw_compute(self, distance_matrix, labels):
            seen.append((distance_matrix.shape, labels.shape, labels.dtype))
            return retrieval_precision(distance_matrix, labels, k=1).median()

    metric = Shapes()
    metric.update(EMBEDDINGS, **pair_targets(6))
    values = RetrievalPrecision(reduce_func=None).compute(EMBEDDINGS, **pair_targets(6))
    assert metric.compute() == values.median()
    assert seen == [((12, 12), (12, 12), torch.float32)]


def test_raw_compute_of_a_subclass_of_a_built_in_metric_is_used(pair_targets):
    class Doubled(RetrievalPrecision):
        def raw_compute(self, distance_matrix, labels):
            return 2 * super().raw_compute(distance_matrix, labels)

    targets = pair_targets(6)
    expected = 2 * RetrievalPrecision(3).compute(EMBEDDINGS, **targets)
    assert Doubled(3).compute(EMBEDDINGS, **targets) == expected != 0


def test_metric_with_query_values_alone_is_reduced():
    class NearestIsRelevant(GroupMetric):
        def query_values(self, distance_matrix, labels):
            nearest = distance_matrix.argmin(dim=1, keepdim=True)
            return labels.gather(1, nearest).squeeze(1).float()

    embeddings = torch.tensor([[0.0], [1.0], [1.5], [9.0]])
    groups = torch.tensor([1, 1, 2, 2])  # right for the first and the last
    assert NearestIsRelevant("euclidean").compute(embeddings, groups).item() == 0.5
    assert NearestIsRelevant("euclidean").needs_all_queries is False


def test_metric_with_block_values_sees_the_targets_of_what_is_found():
    class DistanceOfGroups(GroupMetric):
        needs = Needs(nearest=1)

        def block_values(self, ranking, retrieval, start, stop):
            groups = retrieval.targets["groups"]
            found = groups[retrieval.candidates[ranking.found[:, 0]]]
            return (found - groups[retrieval.queries[start:stop]]).abs().float()

    embeddings = torch.tensor([[0.0], [1.0], [1.5], [9.0]])
    metric = DistanceOfGroups("euclidean", reduce_func=None)
    assert metric.compute(embeddings, torch.tensor([1, 1, 4, 4])).tolist() == [0.0, 3.0, 3.0, 0.0]


def test_metric_without_either_says_what_to_define():
    class Empty(GroupMetric):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty has to define query_values\(\)"):
        Empty().compute(EMBEDDINGS, GROUPS)


def test_raw_compute_agrees_with_compute(pair_targets):
    metric = RetrievalReciprocalRank()
    labels, distances = metric.precompute(EMBEDDINGS, **pair_targets(6))
    assert metric.raw_compute(distances, labels) == metric.compute(EMBEDDINGS, **pair_targets(6))


@pytest.mark.parametrize(
    "metric",
    [
        RetrievalPrecision(k=7, distance_metric_name="manhattan", reduce_func=None),
        RetrievalReciprocalRank(Distance.EUCLIDEAN),
        RetrievalRPrecision("dot_product"),
    ],
)
def test_configuration_survives_json(metric):
    config = json.loads(json.dumps(metric.get_config_dict()))
    again = type(metric).from_config(config)
    assert again.get_config_dict() == config
    assert again.distance_metric_name == metric.distance_metric_name
    assert again.reduce_func is metric.reduce_func
    assert getattr(again, "k", None) == getattr(metric, "k", None)


def test_configuration_fills_in_defaults():
    metric = RetrievalPrecision.from_config({"k": 3})
    assert (metric.k, metric.reduce_func) == (3, torch.mean)
    assert metric.distance_metric_name is Distance.COSINE


def test_other_reductions_have_no_configuration():
    with pytest.raises(ValueError, match=r"reduce_func of None or torch.mean.*median"):
        RetrievalPrecision(reduce_func=torch.median).get_config_dict()
    with pytest.raises(ValueError, match="null or 'mean', got 'median'"):
        RetrievalPrecision.from_config({"reduce_func": "median"})


def test_unknown_distance_is_refused():
    with pytest.raises(ValueError, match="cosines"):
        RetrievalPrecision(distance_metric_name="cosines")


def test_metrics_of_two_kinds_share_the_interface():
    assert issubclass(PairMetric, BaseMetric)
    assert issubclass(GroupMetric, BaseMetric)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batch_on_the_gpu_has_the_same_value_there(pair_targets):
    targets = {name: target.cuda() for name, target in pair_targets(6).items()}
    metric = RetrievalReciprocalRank()
    value = metric.compute(EMBEDDINGS.cuda(), **targets)
    assert value.is_cuda
    torch.testing.assert_close(value.cpu(), metric.compute(EMBEDDINGS, **pair_targets(6)))
    metric.update(EMBEDDINGS.cuda(), **targets)
    assert not metric.accumulator.embeddings.is_cuda
    torch.testing.assert_close(metric.compute(), value.cpu())
