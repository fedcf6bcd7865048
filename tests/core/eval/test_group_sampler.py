import pytest
import torch

from quaterion_core.dataset import SimilarityGroupSample
from quaterion_core.eval import GroupSampler, RetrievalRPrecision


def perfect_groups_of_two(count):
    """Return samples and embeddings where the nearest object is the other one of the group."""
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
