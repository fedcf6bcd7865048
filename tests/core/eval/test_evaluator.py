import pytest
import torch

from quaterion_core import SimilarityModel
from quaterion_core.dataset import SimilarityGroupSample, SimilarityPairSample
from quaterion_core.eval import (
    BaseSampler,
    Evaluator,
    GroupSampler,
    PairMetric,
    PairSampler,
    RetrievalPrecision,
    RetrievalReciprocalRank,
    RetrievalRPrecision,
)
from quaterion_core.heads import EmptyHead

TABLE = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
PAIRS = [SimilarityPairSample(row, row + 20) for row in range(20)]


def evaluator(metrics, **arguments):
    return Evaluator(metrics, PairSampler(log_progress=False, **arguments))


def test_values_are_those_of_the_metrics_alone(table_model, pair_targets):
    metrics = {"p@3": RetrievalPrecision(3), "mrr": RetrievalReciprocalRank("euclidean")}
    values = evaluator(metrics).evaluate(PAIRS, table_model(TABLE))
    assert list(values) == ["p@3", "mrr"]
    for name, metric in metrics.items():
        torch.testing.assert_close(values[name], metric.compute(TABLE, **pair_targets(20)))


def test_single_metric_is_named_after_its_class(table_model):
    values = evaluator(RetrievalPrecision()).evaluate(PAIRS, table_model(TABLE))
    assert list(values) == ["RetrievalPrecision"]


@pytest.mark.parametrize("seed", [0, None])
def test_all_metrics_are_of_the_same_sample(seed, table_model):
    metrics = {name: RetrievalReciprocalRank(reduce_func=None) for name in "abc"}
    values = evaluator(metrics, sample_size=12, seed=seed).evaluate(PAIRS, table_model(TABLE))
    assert values["a"].shape == (12,)
    assert values["a"].tolist() == values["b"].tolist() == values["c"].tolist()


def test_dataset_is_encoded_once_for_all_metrics(table_model):
    model = table_model(TABLE)
    evaluator({str(k): RetrievalPrecision(k) for k in (1, 3, 5)}).evaluate(PAIRS, model)
    assert sorted(model.encoded) == list(range(40))


def test_each_evaluation_encodes_anew(table_model):
    model, same = table_model(TABLE), evaluator(RetrievalPrecision(), sample_size=8)
    first = same.evaluate(PAIRS, model)
    assert same.evaluate(PAIRS, model) == first
    model.table = torch.ones(40, 3)
    assert same.evaluate(PAIRS, model)["RetrievalPrecision"].item() == 0.0
    assert len(same.sampler.accumulator) == 0


def test_sampler_is_reset_after_a_failure(table_model):
    failing = evaluator(RetrievalPrecision())
    with pytest.raises(IndexError):
        failing.evaluate(PAIRS, table_model(TABLE[:30]))
    assert len(failing.sampler.accumulator) == 0


def test_metrics_with_raw_compute_alone_get_the_sampled_matrices(table_model):
    shapes = []

    class Shapes(PairMetric):
        def raw_compute(self, distance_matrix, labels):
            shapes.append((tuple(distance_matrix.shape), tuple(labels.shape)))
            return labels.sum()

    metrics = {"own": Shapes(), "p@1": RetrievalPrecision()}
    values = evaluator(metrics, sample_size=7, distinguish=True).evaluate(PAIRS, table_model(TABLE))
    assert shapes == [((7, 20), (7, 20))]
    assert values["own"].item() == 7


def test_sampler_that_only_samples_gives_its_matrices_to_all_metrics():
    class Fixed(BaseSampler):
        def sample(self, dataset, metric, model):
            return torch.tensor([[0.0, 1.0]]), torch.tensor([[0.1, 0.2]])

    metrics = {"p": RetrievalPrecision(), "rr": RetrievalReciprocalRank()}
    values = Evaluator(metrics, Fixed()).evaluate([], None)
    assert (values["p"].item(), values["rr"].item()) == (0.0, 0.5)


def test_model_is_left_in_its_mode(vector_encoder):
    model = SimilarityModel(vector_encoder(2, 4), EmptyHead(4)).train()
    samples = [SimilarityGroupSample([float(i), 1.0], i % 2) for i in range(6)]
    group = Evaluator(RetrievalRPrecision(), GroupSampler(log_progress=False))
    first = group.evaluate(samples, model)
    assert model.training
    assert group.evaluate(samples, model) == first  # its dropout did not act


def test_sampler_of_the_other_kind_is_refused_at_once():
    with pytest.raises(
        TypeError, match="Expected a PairMetric for PairSampler, got .*RetrievalRPrecision"
    ):
        evaluator({"p": RetrievalPrecision(), "r": RetrievalRPrecision()})


def test_what_is_no_metric_is_refused():
    with pytest.raises(TypeError, match="Expected a PairMetric"):
        evaluator([RetrievalPrecision()])
    with pytest.raises(ValueError, match="at least one metric"):
        evaluator({})


def test_what_is_no_sampler_is_refused():
    with pytest.raises(TypeError, match="sampler to be a PairSampler"):
        Evaluator(RetrievalPrecision(), PairSampler)


def test_embeddings_that_are_not_finite_are_refused(table_model):
    broken = TABLE.clone()
    broken[3] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        evaluator(RetrievalPrecision()).evaluate(PAIRS, table_model(broken))
