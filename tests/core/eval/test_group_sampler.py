import pytest
import torch
from torchmetrics.functional.retrieval import retrieval_r_precision

from quaterion_core.dataset import (
    GroupSimilarityDataLoader,
    SimilarityGroupSample,
    SimilarityPairSample,
)
from quaterion_core.distances import Euclidean
from quaterion_core.eval import Evaluator, GroupSampler, KNNAccuracy, RetrievalRPrecision

TABLE = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
GROUPS = [f"group {row % 4}" for row in range(50)]
SAMPLES = [SimilarityGroupSample(row, group) for row, group in enumerate(GROUPS)]
QUERIES, REFERENCE = SAMPLES[:20], SAMPLES[20:]
R_PRECISION = {"r": RetrievalRPrecision("euclidean", reduce_func=None)}


def perfect_groups_of_two(count):
    """Return samples and embeddings in which nearest neighbors are of the same group."""
    angles = torch.linspace(0, 3, count).repeat(2)
    angles[count:] += 0.01
    table = torch.stack((angles.cos(), angles.sin()), dim=1)
    return [SimilarityGroupSample(row, f"group {row % count}") for row in range(2 * count)], table


@pytest.mark.parametrize("sample_size", [-1, 1, 7, 39, 40, 1000])
def test_sampled_queries_never_find_themselves(sample_size, table_model):
    samples, table = perfect_groups_of_two(20)
    sampler = GroupSampler(sample_size=sample_size, log_progress=False)
    metric = RetrievalRPrecision()
    labels, distances = sampler.sample(samples, metric, table_model(table))
    assert metric.raw_compute(distances, labels).item() == 1.0


def test_rows_are_the_drawn_objects_and_columns_all_objects(table_model):
    samples, table = perfect_groups_of_two(20)
    sampler = GroupSampler(sample_size=7, log_progress=False)
    labels, distances = sampler.sample(samples, RetrievalRPrecision(), table_model(table))
    assert labels.shape == distances.shape == (7, 40)
    assert labels.dtype == torch.float32
    hidden = distances.isinf().nonzero()
    assert hidden[:, 0].tolist() == list(range(7))  # one column in each row
    rows = hidden[:, 1]
    assert len(rows.unique()) == 7
    assert labels.nonzero()[:, 1].tolist() == ((rows + 20) % 40).tolist()


def test_positional_arguments_are_those_of_old():
    sampler = GroupSampler(10, 8, "cpu", False)
    assert (sampler.sample_size, sampler.encode_batch_size, sampler.log_progress) == (10, 8, False)


def r_precision_of_torchmetrics(row):
    """Return the R-precision of a query among the reference."""
    distances = torch.linalg.vector_norm(TABLE[row] - TABLE[20:], dim=1)
    return retrieval_r_precision(-distances, torch.tensor([g == GROUPS[row] for g in GROUPS[20:]]))


def test_only_objects_of_the_reference_are_found(table_model):
    model = table_model(TABLE)
    sampler = GroupSampler(log_progress=False, reference=REFERENCE)
    values = sampler.score(QUERIES, R_PRECISION, model)["r"]
    torch.testing.assert_close(
        values, torch.stack([r_precision_of_torchmetrics(row) for row in range(20)])
    )
    assert model.encoded == list(range(50))
    labels, distances = sampler.sample(QUERIES, R_PRECISION["r"], model)
    torch.testing.assert_close(distances, Euclidean.distance_matrix(TABLE[:20], TABLE[20:]))
    expected = [[float(a == b) for b in GROUPS[20:]] for a in GROUPS[:20]]
    assert labels.tolist() == expected


def test_a_sample_is_drawn_of_the_dataset_and_not_of_the_reference(table_model):
    sampler = GroupSampler(sample_size=6, log_progress=False, reference=REFERENCE)
    values = sampler.score(QUERIES, R_PRECISION, table_model(TABLE))["r"]
    drawn = torch.randperm(20, generator=torch.Generator().manual_seed(0))[:6].sort().values
    torch.testing.assert_close(
        values, torch.stack([r_precision_of_torchmetrics(row) for row in drawn.tolist()])
    )


@pytest.mark.parametrize("metric", [RetrievalRPrecision, KNNAccuracy])
def test_a_query_without_anything_relevant_in_the_reference_is_left_out(metric, table_model):
    queries = [*QUERIES[:3], SimilarityGroupSample(3, "unknown"), SimilarityGroupSample(4, "too")]
    sampler = GroupSampler(log_progress=False, reference=REFERENCE)
    values = sampler.score(queries, {"value": metric(reduce_func=None)}, table_model(TABLE))
    assert values["value"].shape == (3,)


@pytest.mark.parametrize("read", [list, tuple, iter, GroupSimilarityDataLoader])
def test_a_reference_of_any_kind_is_read(read, table_model):
    evaluator = Evaluator(
        R_PRECISION, GroupSampler(log_progress=False, reference=read(list(REFERENCE)))
    )
    values = evaluator.evaluate(QUERIES, table_model(TABLE))["r"]
    torch.testing.assert_close(values[7], r_precision_of_torchmetrics(7))


@pytest.mark.parametrize("read", [lambda samples: samples, GroupSimilarityDataLoader])
def test_a_dataset_as_its_own_reference_is_none(read, table_model):
    model = table_model(TABLE)
    values = GroupSampler(log_progress=False, reference=read(QUERIES)).score(
        QUERIES, R_PRECISION, model
    )["r"]
    assert len(model.encoded) == 20
    expected = GroupSampler(log_progress=False).score(QUERIES, R_PRECISION, model)["r"]
    assert values.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        ([], ValueError, "the reference has no samples"),
        (
            [*REFERENCE, SimilarityPairSample(1, 2)],
            TypeError,
            "a reference of SimilarityGroupSample .*, got sample 30 of type SimilarityPair",
        ),
        ("train", TypeError, "The reference does not hold similarity samples. .*got 'train'"),
        (7, TypeError, "The reference does not hold similarity samples. .*got 7 of type int"),
    ],
)
def test_an_unfit_reference_is_refused(reference, error, message, table_model):
    sampler = GroupSampler(log_progress=False, reference=reference)
    with pytest.raises(error, match=message):
        sampler.score(QUERIES, R_PRECISION, table_model(TABLE))
    with pytest.raises(error, match=message):  # nothing is left of the first attempt
        sampler.score(QUERIES, R_PRECISION, table_model(TABLE))


def test_a_reference_of_pairs_is_refused_before_anything_is_encoded(table_model):
    model = table_model(TABLE)
    sampler = GroupSampler(log_progress=False, reference=[SimilarityPairSample(1, 2)])
    with pytest.raises(TypeError, match="got sample 0 of type SimilarityPairSample"):
        sampler.score(QUERIES, R_PRECISION, model)
    assert model.encoded == []
