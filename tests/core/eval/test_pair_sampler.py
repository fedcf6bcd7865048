import pytest
import torch

from quaterion_core.dataset import SimilarityPairSample
from quaterion_core.eval import PairSampler, RetrievalPrecision, RetrievalReciprocalRank


def pairs(count, **arguments):
    """Return samples of the objects ``i`` and ``count + i``."""
    return [SimilarityPairSample(row, count + row, **arguments) for row in range(count)]


def table(count, seed=0):
    """Return embeddings in which partners are close to each other."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(count, 16, generator=generator)
    return torch.cat((first, first + 0.01 * torch.randn(count, 16, generator=generator)))


@pytest.mark.parametrize("sample_size", [-1, 10])
def test_distinguished_labels_belong_to_their_queries_beyond_a_batch(sample_size, table_model):
    sampler = PairSampler(sample_size, distinguish=True, encode_batch_size=4, log_progress=False)
    labels, distances = sampler.sample(pairs(40), RetrievalPrecision(), table_model(table(40)))
    queries = 40 if sample_size == -1 else sample_size
    assert labels.shape == distances.shape == (queries, 40)
    assert labels.sum(dim=1).tolist() == [1] * queries
    assert labels.argmax(dim=1).tolist() == distances.argmin(dim=1).tolist()


def test_distinguished_rows_and_columns_are_in_the_order_of_the_dataset(table_model):
    sampler = PairSampler(distinguish=True, encode_batch_size=3, log_progress=False)
    labels, _ = sampler.sample(pairs(10), RetrievalPrecision(), table_model(table(10)))
    torch.testing.assert_close(labels, torch.eye(10))


def test_by_default_each_object_queries_all_others(table_model):
    sampler = PairSampler(encode_batch_size=3, log_progress=False)
    labels, distances = sampler.sample(pairs(10), RetrievalPrecision(), table_model(table(10)))
    torch.testing.assert_close(labels, torch.eye(20).roll(10, 1))
    assert distances.diagonal().isinf().all()
    assert distances.isinf().sum() == 20


@pytest.mark.parametrize("distinguish", [False, True])
def test_sample_does_not_depend_on_the_batch_size(distinguish, table_model):
    drawn = []
    for batch_size in (1, 7, 100):
        sampler = PairSampler(9, distinguish, batch_size, log_progress=False)
        drawn.append(sampler.sample(pairs(30), RetrievalPrecision(), table_model(table(30))))
    for labels, distances in drawn[1:]:
        torch.testing.assert_close(labels, drawn[0][0])
        torch.testing.assert_close(distances, drawn[0][1])


def test_obj_a_does_not_find_another_obj_a_when_distinguished(table_model):
    # The questions lie together, the answers at both sides.
    embeddings = [[-0.1], [0.1], [-1.0], [1.0]]
    metric = RetrievalReciprocalRank("euclidean", reduce_func=None)
    model = table_model(embeddings)
    values = {
        distinguish: PairSampler(distinguish=distinguish, log_progress=False).score(
            pairs(2), {"rr": metric}, model
        )["rr"]
        for distinguish in (True, False)
    }
    assert values[True].tolist() == [1.0, 1.0]
    assert values[False].tolist() == [0.5, 0.5, 1.0, 1.0]


def test_pairs_with_score_zero_are_found_but_do_not_query(table_model):
    samples = [*pairs(2), SimilarityPairSample(0, 4, score=0.0)]
    embeddings = [[0.0], [5.0], [1.0], [6.0], [0.5]]
    metric = RetrievalReciprocalRank("euclidean", reduce_func=None)
    sampler = PairSampler(distinguish=True, log_progress=False)
    values = sampler.score(samples, {"rr": metric}, table_model(embeddings))["rr"]
    assert values.tolist() == [0.5, 1.0]


def test_positional_arguments_are_those_of_old():
    sampler = PairSampler(10, True, 8, "cpu", False)
    assert (sampler.sample_size, sampler.distinguish) == (10, True)
    assert (sampler.encode_batch_size, sampler.log_progress) == (8, False)
