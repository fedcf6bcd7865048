import pytest
import torch
from sklearn.metrics import label_ranking_average_precision_score
from torchmetrics.functional.retrieval import retrieval_reciprocal_rank as torchmetrics_rank

from quaterion_core.eval.pair import RetrievalReciprocalRank, retrieval_reciprocal_rank


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_torchmetrics(seed, share, random_matrices):
    distances, labels = random_matrices(seed, share=share)
    expected = [
        torchmetrics_rank(1 - row, label.bool())
        for row, label in zip(distances, labels, strict=True)
    ]
    torch.testing.assert_close(retrieval_reciprocal_rank(distances, labels), torch.stack(expected))


@pytest.mark.parametrize("seed", range(3))
def test_mean_over_pairs_is_that_of_scikit_learn(seed, pair_targets):
    embeddings = torch.randn(30, 4, generator=torch.Generator().manual_seed(seed)).double()
    embeddings[15:] += embeddings[:15]
    similarity = torch.nn.functional.cosine_similarity(embeddings[:, None], embeddings, dim=-1)
    similarity.fill_diagonal_(-2)
    partners = torch.eye(30).roll(15, 1)
    # With one relevant object to a query, average precision is the reciprocal rank.
    expected = label_ranking_average_precision_score(partners.numpy(), similarity.numpy())
    value = RetrievalReciprocalRank().compute(embeddings, **pair_targets(15))
    assert value.item() == pytest.approx(expected)


def test_one_value_for_each_query_however_many_are_relevant():
    distances = torch.tensor([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.1, 0.2, 0.3]])
    labels = torch.tensor([[0, 1, 1], [1, 1, 0], [0, 0, 0]])
    assert retrieval_reciprocal_rank(distances, labels).tolist() == [0.5, 0.5, 0.0]


def test_nearest_of_several_relevant_objects_counts():
    distances = torch.tensor([[0.4, 0.3, 0.2, 0.1]])
    value = retrieval_reciprocal_rank(distances, torch.tensor([[1, 1, 0, 0]]))
    assert value.item() == pytest.approx(1 / 3)


def test_ties_count_against_the_model():
    distances = torch.tensor([[0.5, 0.5, 0.5, 0.9]])
    value = retrieval_reciprocal_rank(distances, torch.tensor([[1, 0, 0, 0]]))
    assert value.item() == pytest.approx(1 / 3)


def test_collapsed_model_finds_partners_last(pair_targets):
    value = RetrievalReciprocalRank().compute(torch.ones(20, 8), **pair_targets(10))
    assert value.item() == pytest.approx(1 / 19)


def test_copy_of_the_partner_counts_as_nearer(pair_targets):
    # Two questions with the same answer: each finds the other's copy before its own.
    answer = [0.0, 1.0]
    embeddings = torch.tensor([[0.1, 1.0], [0.2, 1.0], answer, answer])
    values = RetrievalReciprocalRank("euclidean", reduce_func=None).compute(
        embeddings, **pair_targets(2)
    )
    # Both answers have the other copy at distance 0 and the question 0 nearer than question 1.
    assert values.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 2, 1 / 3])
